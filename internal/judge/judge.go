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

// A Judge checks artifacts against a policy. It is safe for concurrent use.
type Judge struct {
	Verifier *verify.Verifier
	Policy   *policy.Policy
	Facts    policy.Facts
	Explain  bool      // keep what each step saw
	Stdin    io.Reader // read when standard input is judged
	Store    Store     // asked where an artifact has no bundle; nil: none is asked

	lists sync.Map // *find.Item to *judged
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

// A Verdict is the result for one artifact. The artifact is verified if Err is nil; a refusal
// may come with results that were not enough.
type Verdict struct {
	Name      string           // of the artifact
	Image     bool             // the artifact is an image, whose tag may move
	Results   []*verify.Result // what its bundles have proved
	Digest    []byte           // SHA-256 of a file that a signed list vouches for
	List      string           // the name of that list
	Explained []Explained      // when asked for
	Gaps      []policy.Gap     // unknown facts that the policy did not need
	Err       error            // nil: verified

	evaluation *policy.Evaluation // of Results
}

// Problem returns the verdict's error as users see it; nil: verified.
func (v Verdict) Problem() *fault.Problem { return fault.Of(v.Err) }

// An Explained is a verification of one bundle.
type Explained struct {
	File string
	verify.Explanation
}

// All judges items, several at once, and tells of each in their order. It ends
// early when ctx does or print fails, with that error, and without waiting for
// what can't be interrupted: opening a named pipe, or reading a terminal.
func (j *Judge) All(ctx context.Context, items iter.Seq[find.Item], print func(Verdict) error) error {
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
				s.verdict <- j.Judge(ctx, s.item)
			}
		}()
	}
	go deal(ctx, items, order, todo)
	for {
		s, more := receive(ctx, order)
		if !more {
			return context.Cause(ctx)
		}
		v, ok := receive(ctx, s.verdict)
		if !ok {
			return context.Cause(ctx)
		}
		if err := print(v); err != nil {
			return err
		}
	}
}

// A slot is an item, and the place for its verdict.
type slot struct {
	item    find.Item
	verdict chan Verdict
}

// deal sends each item to both queues, until ctx is done.
func deal(ctx context.Context, items iter.Seq[find.Item], queues ...chan<- slot) {
	for _, queue := range queues {
		defer close(queue)
	}
	for item := range items {
		s := slot{item, make(chan Verdict, 1)}
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
func (j *Judge) Judge(ctx context.Context, item find.Item) Verdict {
	var v Verdict
	if len(item.Claims) > 0 {
		v = j.claimed(ctx, item)
	} else {
		v = j.own(ctx, item)
	}
	v.Gaps = j.Facts.Gaps()
	if unseen := fault.Of(item.Unseen); v.Err == nil && unseen != nil {
		v.Err = fault.CouldNotLook(v.Name, fmt.Errorf("%s could not be read, and may object to it: %w", unseen.Subject, unseen.Err))
	}
	return v
}

// own judges an artifact by what was given for it or lies beside it.
func (j *Judge) own(ctx context.Context, item find.Item) Verdict {
	v := verdictOn(item)
	switch {
	case item.Err != nil:
		v.Err = item.Err
	case item.By != nil && item.By.Manifest():
		return j.shared(ctx, item)
	case item.By != nil:
		v = j.once(ctx, item.By).Verdict
		v.Name = item.Name()
	default:
		j.judge(ctx, item, &v)
		if v.Err == nil {
			v.Err = item.CheckListed(ctx)
		}
	}
	return v
}

func verdictOn(item find.Item) Verdict {
	return Verdict{Name: item.Name(), Image: find.InRegistry(item.Subject)}
}

// judge verifies each bundle, then asks the policy, and looks for older signatures
// only where those are not enough. Bundles that are refused do not matter when the
// others are enough.
func (j *Judge) judge(ctx context.Context, item find.Item, v *Verdict) {
	a := attempt{item: item}
	if a.Evidence, v.Err = j.evidence(ctx, item); v.Err != nil {
		return
	}
	if v.evaluation, v.Err = j.begin(v.Name); v.Err != nil {
		return
	}
	if v.Err = j.verifyAll(ctx, v, a.Sources, &a); v.Err != nil {
		return
	}
	j.decide(ctx, v, &a)
}

// decide asks the policy about the bundles that were verified, and looks for older signatures
// if they are not enough. Only an answer without an error is a yes.
func (j *Judge) decide(ctx context.Context, v *Verdict, a *attempt) {
	_, err := v.evaluation.Decide()
	if err != nil && a.More != nil {
		older, unseen := a.More(ctx)
		if a.unseen == nil {
			a.unseen = unseen
		}
		a.Sources = append(a.Sources, older...)
		if v.Err = j.verifyAll(ctx, v, older, a); v.Err != nil {
			return
		}
		if len(older) > 0 { // conditions may take seconds
			_, err = v.evaluation.Decide()
		}
	}
	switch {
	case err == nil:
		return
	case a.unseen != nil:
		v.Err = a.unseen // the unread bundle might have been enough
	case len(v.Results) == 0 && a.first != nil:
		v.Err = a.first
	default:
		v.Err = j.refusal(err, v.Name, a.Sources[0])
	}
	if len(a.Sources) > 1 {
		p := *v.Problem()
		p.Err = fmt.Errorf("%w; of %d bundles: %s", p.Err, len(a.Sources), strings.Join(a.notes[:min(len(a.notes), maxNotes)], "; "))
		v.Err = &p
	}
}

// An attempt is the bundles of an item, and the results of verifying them one after the other.
type attempt struct {
	item find.Item
	find.Evidence
	first, unseen error
	notes         []string
}

// verifyAll verifies bundles. An error is one of the artifact: no other bundle helps.
func (j *Judge) verifyAll(ctx context.Context, v *Verdict, sources []find.Source, a *attempt) error {
	open := a.Subject.Opener(ctx, j.Stdin, len(sources))
	for _, p := range sources {
		err := p.Err
		if err == nil {
			err = j.verify(v, p, a, open)
		}
		a.notes = append(a.notes, note(p, v.Results, err))
		if err == nil {
			continue
		}
		exit := fault.Of(err).Exit
		if a.first == nil {
			a.first = err
		}
		if exit == fault.ExitUndecided && a.unseen == nil {
			a.unseen = err
		}
		if exit != fault.ExitRefused && p.Err == nil {
			return err
		}
	}
	return nil
}

// evidence finds the bundles of an item: where it is, else in the store.
func (j *Judge) evidence(ctx context.Context, item find.Item) (find.Evidence, error) {
	e, err := item.Evidence(ctx)
	if err != nil || len(e.Sources) > 0 {
		return e, err
	}
	return j.stored(ctx, item, e.Subject)
}

// maxNotes is the number of bundles whose results a refusal lists.
const maxNotes = 10

// note describes the result of a bundle source: the last of results, or the error.
func note(p find.Source, results []*verify.Result, err error) string {
	if err != nil {
		return p.Name + " " + fault.Of(err).Code
	}
	return p.Name + " is by " + Who(results[len(results)-1])
}

// verify verifies one bundle, with a fresh look at the artifact.
func (j *Judge) verify(v *Verdict, p find.Source, a *attempt, open find.Opener) error {
	artifact, closer, err := open(p)
	if refusal := new(verify.Error); errors.As(err, &refusal) {
		return j.refusal(err, v.Name, p)
	}
	if err != nil {
		return fault.Unreadable(v.Name, err)
	}
	defer closer.Close()
	var result *verify.Result
	if j.Explain {
		var explained verify.Explanation
		explained, result, err = v.evaluation.Explain(p.Bundle, artifact, a.item.CheckName(p))
		v.Explained = append(v.Explained, Explained{p.File, explained})
	} else {
		result, err = v.evaluation.Add(p.Bundle, artifact, a.item.CheckName(p))
	}
	if err == nil {
		if d, ok := a.Subject.(find.Digest); ok && p.Payload != nil {
			find.OfImage(result, d.Sum)
		}
		v.Results = append(v.Results, result)
		return nil
	}
	if refusal := new(verify.Error); errors.As(err, &refusal) {
		return j.refusal(err, v.Name, p)
	}
	return find.Unread(v.Name, err)
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
