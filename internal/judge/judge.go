// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"sync"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/verify"
)

// Judge holds artifacts to a policy. It is safe for concurrent use.
type Judge struct {
	Verifier *verify.Verifier
	Policy   *policy.Policy
	Facts    policy.Facts
	Explain  bool      // keep what each step saw
	Stdin    io.Reader // read when a find.Target says so
	Store    Store     // asked where an artifact has no bundle; nil: nobody is

	lists sync.Map // *find.List to *judged
	begun sync.Once
	base  *policy.Evaluation // without bundles
	facts error              // why there is no base
}

// begin returns an evaluation of one artifact, or why the policy decides nothing.
func (j *Judge) begin(name string) (*policy.Evaluation, error) {
	j.begun.Do(func() { j.base, j.facts = j.Policy.Begin(j.Verifier, j.Facts) })
	if j.facts != nil {
		return nil, j.refusal(j.facts, name, find.Source{File: find.DetachedName})
	}
	return j.base.Another(), nil
}

// Verdict is what came of one artifact: exactly one of Results and Err says
// so, though a refusal may come with results that were not enough.
type Verdict struct {
	Target    find.Target
	Results   []*verify.Result // what its bundles have proved
	Digest    []byte           // SHA-256 of a file that a signed list vouches for
	List      string           // that list
	Explained []Explained      // when asked for
	Gaps      []policy.Gap     // facts that were unknown, and that the policy did not ask for
	Err       error            // nil: verified

	evaluation *policy.Evaluation // of Results
}

// Problem returns the verdict's error as users see it; nil: verified.
func (v Verdict) Problem() *fault.Problem { return fault.Of(v.Err) }

// Explained is a verification of one bundle.
type Explained struct {
	File string
	verify.Explanation
}

// All judges targets, several at once, and tells of each in their order. It ends
// early when ctx does or tell fails, with that error, and without waiting for
// what can't be interrupted: opening a named pipe, or reading a terminal.
func (j *Judge) All(ctx context.Context, targets iter.Seq[find.Target], tell func(Verdict) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	if j.Store != nil {
		workers = max(workers, asking)
	}
	todo, order := make(chan slot), make(chan slot, 64*workers)
	for range workers {
		go func() {
			for s := range todo {
				s.said <- j.Judge(ctx, s.target)
			}
		}()
	}
	go deal(ctx, targets, order, todo)
	for {
		s, more := receive(ctx, order)
		if !more {
			return context.Cause(ctx)
		}
		v, ok := receive(ctx, s.said)
		if !ok {
			return context.Cause(ctx)
		}
		if err := tell(v); err != nil {
			return err
		}
	}
}

// slot is a target, and the place for what is said of it.
type slot struct {
	target find.Target
	said   chan Verdict
}

// deal sends each target to both queues, until ctx is done.
func deal(ctx context.Context, targets iter.Seq[find.Target], queues ...chan<- slot) {
	for _, queue := range queues {
		defer close(queue)
	}
	for target := range targets {
		s := slot{target, make(chan Verdict, 1)}
		for _, queue := range queues {
			select {
			case queue <- s:
			case <-ctx.Done():
				return
			}
		}
	}
}

// receive returns the next value. It reports false once ctx is done or the channel is
// closed.
func receive[T any](ctx context.Context, from <-chan T) (T, bool) {
	select {
	case v, ok := <-from:
		return v, ok && ctx.Err() == nil
	case <-ctx.Done():
		var none T
		return none, false
	}
}

// Judge judges one artifact.
func (j *Judge) Judge(ctx context.Context, t find.Target) Verdict {
	var v Verdict
	if len(t.Mentions) > 0 {
		v = j.mentioned(ctx, t)
	} else {
		v = j.own(ctx, t)
	}
	v.Gaps = j.Facts.Gaps()
	if unseen := fault.Of(t.Unseen); v.Err == nil && unseen != nil {
		v.Err = fault.CouldNotLook(t.Name, fmt.Errorf("%s could not be read, and may object to it: %w", unseen.Subject, unseen.Err))
	}
	return v
}

// own judges an artifact by what was given for it or lies beside it.
func (j *Judge) own(ctx context.Context, t find.Target) Verdict {
	v := Verdict{Target: t}
	switch {
	case t.Problem != nil:
		v.Err = t.Problem
	case t.List != nil && t.List.Manifest():
		return j.shared(ctx, t)
	case t.List != nil:
		v = j.once(ctx, t.List).Verdict
		v.Target = t
	default:
		j.judge(ctx, &v)
		if v.Err == nil && t.Listed() {
			_, v.Err = t.Sum(ctx)
		}
	}
	return v
}

// judge verifies each bundle, then asks the policy, and looks for older signatures
// only where those are not enough. Bundles that are refused do not matter when the
// others are enough.
func (j *Judge) judge(ctx context.Context, v *Verdict) {
	pieces, missing := j.pieces(ctx, &v.Target)
	if missing != nil {
		v.Err = missing
		return
	}
	if v.evaluation, v.Err = j.begin(v.Target.Name); v.Err != nil {
		return
	}
	var h hearing
	if v.Err = j.hear(ctx, v, pieces, &h); v.Err != nil {
		return
	}
	j.decide(ctx, v, pieces, &h)
}

// decide asks the policy about the bundles that were heard, and looks for older signatures
// if they are not enough. Only an answer without an error is a yes.
func (j *Judge) decide(ctx context.Context, v *Verdict, pieces []find.Source, h *hearing) {
	_, err := v.evaluation.Decide()
	if err != nil {
		older, unseen := v.Target.LookAgain(ctx)
		if h.unseen == nil {
			h.unseen = unseen
		}
		pieces = append(pieces, older...)
		if v.Err = j.hear(ctx, v, older, h); v.Err != nil {
			return
		}
		if len(older) > 0 { // conditions may take seconds
			_, err = v.evaluation.Decide()
		}
	}
	switch {
	case err == nil:
		return
	case h.unseen != nil:
		v.Err = h.unseen // who knows what stands there
	case len(v.Results) == 0 && h.first != nil:
		v.Err = h.first
	default:
		v.Err = j.refusal(err, v.Target.Name, pieces[0])
	}
	if len(pieces) > 1 {
		p := *v.Problem()
		p.Err = fmt.Errorf("%w; of %d bundles: %s", p.Err, len(pieces), strings.Join(h.notes[:min(len(h.notes), maxNotes)], "; "))
		v.Err = &p
	}
}

// hearing is what came of bundles, one after the other.
type hearing struct {
	first, unseen error
	notes         []string
}

// hear verifies bundles. An error is one of the artifact: no other bundle helps.
func (j *Judge) hear(ctx context.Context, v *Verdict, pieces []find.Source, h *hearing) error {
	open := v.Target.Opener(ctx, j.Stdin, len(pieces))
	for _, p := range pieces {
		err := p.Err
		if err == nil {
			err = j.verify(v, p, open)
		}
		h.notes = append(h.notes, note(p, v.Results, err))
		if err == nil {
			continue
		}
		exit := fault.Of(err).Exit
		if h.first == nil {
			h.first = err
		}
		if exit == fault.ExitUndecided && h.unseen == nil {
			h.unseen = err
		}
		if exit != fault.ExitRefused && p.Err == nil {
			return err
		}
	}
	return nil
}

// pieces finds the bundles of an artifact: where it is, else in the store.
func (j *Judge) pieces(ctx context.Context, t *find.Target) ([]find.Source, error) {
	if t.InRegistry() {
		if err := t.Look(ctx); err != nil {
			return nil, err
		}
	}
	pieces, err := t.Sources()
	if err != nil || len(pieces) > 0 {
		return pieces, err
	}
	return j.stored(ctx, t)
}

// maxNotes is of how many bundles a refusal tells what came of them.
const maxNotes = 10

// note describes the result of a bundle source: the last of results, or the error.
func note(p find.Source, results []*verify.Result, err error) string {
	if err != nil {
		return p.Name + " " + fault.Of(err).Code
	}
	return p.Name + " is by " + Who(results[len(results)-1])
}

// verify verifies one bundle, with a fresh look at the artifact.
func (j *Judge) verify(v *Verdict, p find.Source, open find.Opener) error {
	artifact, closer, err := open(p)
	if refusal := new(verify.Error); errors.As(err, &refusal) {
		return j.refusal(err, v.Target.Name, p)
	}
	if err != nil {
		return fault.Unreadable(v.Target.Name, err)
	}
	defer closer.Close()
	var result *verify.Result
	if j.Explain {
		var explained verify.Explanation
		explained, result, err = v.evaluation.Explain(p.Bundle, artifact, v.Target.CheckName(p))
		v.Explained = append(v.Explained, Explained{p.File, explained})
	} else {
		result, err = v.evaluation.Add(p.Bundle, artifact, v.Target.CheckName(p))
	}
	if err == nil {
		if p.Payload != nil {
			find.OfImage(result, v.Target.Digest)
		}
		v.Results = append(v.Results, result)
		return nil
	}
	if refusal := new(verify.Error); errors.As(err, &refusal) {
		return j.refusal(err, v.Target.Name, p)
	}
	return find.Unread(v.Target.Name, err)
}

// refusal returns the problem for an error of a policy or a verifier about a bundle. Any
// other error than theirs decides nothing.
func (j *Judge) refusal(err error, name string, from find.Source) error {
	p := fault.About(name, err)
	if from.File == find.DetachedName || from.Elsewhere {
		return p
	}
	return p.With("inspect", from.File)
}
