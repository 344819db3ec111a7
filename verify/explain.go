// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"strings"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
)

// An Outcome is the outcome of a step.
type Outcome int

// The outcomes. NotReached means that an earlier step refused. NotAsked means that the
// step does not apply to the bundle, or that the policy waives it.
const (
	NotReached Outcome = iota
	Passed
	NotAsked
	Refused
)

// String returns the outcome in words.
func (o Outcome) String() string {
	return [...]string{"not reached", "passed", "not asked", "refused"}[o]
}

// Seen describes a step for people. Facts are the facts on which the step was decided, also
// if it was refused.
type Seen struct {
	Step    Step
	Outcome Outcome
	Facts   []string
}

// An Explanation is a verification with a description of each of the nine steps. Exactly one
// of Result and Err is set, with the values that Verify returns.
type Explanation struct {
	Steps  []Seen
	Result *Result
	Err    error
}

// Explain verifies as [Verifier.Verify] does, and reports what each step saw.
func (v *Verifier) Explain(b *bundle.Bundle, a Artifact, r Requirements) Explanation {
	c := &claim{Verifier: v, bundle: b, artifact: a, required: r}
	e := Explanation{Steps: make([]Seen, StepRevocation)}
	for i := range e.Steps {
		e.Steps[i].Step = Step(i + 1)
	}
	e.Err = c.run(func(step Step, err error) {
		seen := &e.Steps[step-1]
		seen.Facts = c.saw(step)
		switch {
		case err != nil:
			seen.Outcome = Refused
		case len(seen.Facts) == 0:
			seen.Outcome, seen.Facts = NotAsked, []string{c.unasked(step)}
		default:
			seen.Outcome = Passed
		}
	})
	if e.Err == nil {
		e.Result = &c.result
		last := &e.Steps[StepRevocation-1]
		last.Outcome, last.Facts = NotAsked, []string{"no revocation list"}
	}
	return e
}

// unasked returns why a step that passed has no facts.
func (c *claim) unasked(step Step) string {
	switch {
	case c.leaf == nil && (step == StepChain || step == StepSCT):
		return "signed with a key, not with a certificate"
	case step == StepStatement:
		return "the signature is over the artifact's bytes"
	}
	return "waived by the policy"
}

// saw returns the facts on which a step was decided.
func (c *claim) saw(step Step) []string {
	switch step {
	case StepShape:
		return c.sawShape()
	case StepTimes:
		return c.sawTimes()
	case StepChain:
		return c.sawChain()
	case StepSCT:
		return c.sawSCTs()
	case StepIdentity:
		return c.sawIdentity()
	case StepLog:
		return c.sawEntries()
	case StepSignature:
		return c.sawSignature()
	case StepStatement:
		return c.sawStatement()
	}
	return nil
}

func (c *claim) sawShape() []string {
	b := c.bundle
	if b == nil {
		return nil
	}
	content, key := "signature over the artifact's bytes", "a key"
	if b.Envelope != nil {
		content = "envelope of " + b.Envelope.PayloadType
	}
	if n := len(b.Certificates); n > 0 {
		key = count(n, "certificate", "certificates")
	}
	return []string{
		fmt.Sprintf("bundle v0.%d: %s", b.Version, content),
		fmt.Sprintf("%s, %s, %s", key, count(len(b.Entries), "log entry", "log entries"), count(len(b.Timestamps), "timestamp token", "timestamp tokens")),
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (c *claim) sawTimes() (facts []string) {
	for _, t := range c.result.Times {
		by := "timestamp token of "
		if t.Log != nil {
			by = "signed entry timestamp of "
		}
		facts = append(facts, stamp(t.Time)+", "+by+t.Source())
	}
	return facts
}

func (c *claim) sawChain() (facts []string) {
	if c.leaf == nil {
		return nil
	}
	facts = append(facts, fmt.Sprintf("certificate valid from %s until %s", stamp(c.leaf.NotBefore), stamp(c.leaf.NotAfter)))
	if len(c.route.path) < 2 {
		return append(facts, issuerName(c.leaf))
	}
	for _, above := range c.route.path[1:] {
		facts = append(facts, "issued by "+name(above))
	}
	return append(facts, "of "+window(c.route.authority.URI, c.route.authority.Validity))
}

func (c *claim) sawSCTs() (facts []string) {
	for _, s := range c.scts {
		facts = append(facts, fmt.Sprintf("promised at %s by %s", stamp(s.at), s.log.BaseURL))
	}
	return facts
}

func (c *claim) sawIdentity() (facts []string) {
	if c.leaf == nil {
		for _, key := range c.required.Keys {
			facts = append(facts, "accepted: "+keyName(key))
		}
		return facts
	}
	id := c.result.Identity
	if id.Issuer == "" {
		return nil
	}
	facts = append(facts, person(id.Subject.Value, id.Issuer))
	for _, f := range identity.Fields() {
		if value := id.Build.Get(f); value != "" {
			facts = append(facts, f.String()+" "+value)
		}
	}
	return facts
}

func (c *claim) sawEntries() (facts []string) {
	for _, e := range c.result.Entries {
		facts = append(facts, fmt.Sprintf("entry %d of %s, %s %s", e.LogIndex, e.Log.BaseURL, e.Kind, e.Version))
		switch {
		case e.Proof == nil:
			facts = append(facts, "promised by the log's key; no inclusion proof")
		default:
			facts = append(facts, fmt.Sprintf("in a tree of %d entries, root %s, by %s", e.Proof.Size, e.Proof.Root, count(len(e.Proof.Hashes), "hash", "hashes")))
		}
		if len(e.Witnesses) > 0 {
			facts = append(facts, "cosigned by "+strings.Join(e.Witnesses, ", "))
		}
	}
	return facts
}

func (c *claim) sawSignature() (facts []string) {
	if c.alg.Name == "" {
		return nil
	}
	if c.bundle.Envelope != nil {
		return []string{c.alg.Name + " over the envelope"}
	}
	return []string{c.alg.Name + " over the artifact, " + digestName(c.result.Hash, c.result.Digest)}
}

func (c *claim) sawStatement() []string {
	s := c.result.Statement
	if s == nil {
		return nil
	}
	facts := []string{"states " + s.PredicateType, "about " + subjectNames(*s)}
	if c.result.Hash != 0 {
		facts = append(facts, "which is the artifact, "+digestName(c.result.Hash, c.result.Digest))
	}
	return facts
}
