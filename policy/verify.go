// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"slices"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/verify"
)

// Verify decides whether bundles prove that an artifact meets the policy: each rule is met by
// enough signers, and the facts are as the policy requires. Refused bundles do not matter if
// the others are enough. A refusal is a [*verify.Error]; if [Undecided] reports true for it,
// the result is unknown. Any other error reports that the artifact could not be read, or a
// mistake of the caller.
func (p *Policy) Verify(v *verify.Verifier, a verify.Artifact, bundles []*bundle.Bundle, f Facts) (*Outcome, error) {
	e, err := p.Begin(v, f)
	if err != nil {
		return nil, err
	}
	if len(bundles) > 1 {
		if a, err = a.Hashed(); err != nil {
			return nil, err
		}
	}
	var first error
	for _, b := range bundles {
		_, err := e.Add(b, a)
		if refusal := new(verify.Error); err != nil && !errors.As(err, &refusal) {
			return nil, err
		}
		if first == nil {
			first = err
		}
	}
	outcome, err := e.Decide()
	if err != nil && len(e.results) == 0 && first != nil {
		err = first
	}
	return outcome, err
}

// An Outcome reports that a policy is met, and by which signers.
type Outcome struct {
	Rules   []Counted        // one for each rule of the policy, in its order
	Results []*verify.Result // of all verified bundles, including those that no rule needs
	Gaps    []Gap            // unknown facts that the policy did not need
}

// Counted lists the signers that have met a rule.
type Counted struct {
	Rule    Rule
	Signers map[string]*verify.Result // by the signer's name in the policy; all different people
}

// An Evaluation collects what the bundles of one artifact prove, for a caller that
// looks for more bundles in between. Only [Evaluation.Decide] reports whether the
// policy is met. It is not safe for concurrent use. The zero value refuses.
type Evaluation struct {
	terms   *terms
	results []*verify.Result
}

// terms holds the state that evaluations share.
type terms struct {
	policy   Policy
	verifier *verify.Verifier
	required verify.Requirements
	gaps     []Gap
}

// Begin returns an evaluation without bundles. It refuses facts that the policy
// needs and that are missing or stale, with a [*verify.Error].
func (p *Policy) Begin(v *verify.Verifier, f Facts) (*Evaluation, error) {
	if err := p.check(f); err != nil {
		return nil, err
	}
	return &Evaluation{terms: &terms{*p, v, p.requirements(f), f.Gaps()}}, nil
}

// Another returns an evaluation without bundles, by the same policy, verifier and
// facts, for another artifact.
func (e *Evaluation) Another() *Evaluation { return &Evaluation{terms: e.terms} }

// Add verifies a bundle of the artifact, and collects the result. A result does not mean that
// the policy is met, or that the bundle counts for any of its rules. Each of checks can refuse
// a result, which is then not collected. Errors are those of [verify.Verifier.Verify] and of
// checks.
func (e *Evaluation) Add(b *bundle.Bundle, a verify.Artifact, checks ...func(*verify.Result) error) (*verify.Result, error) {
	if e == nil || e.terms == nil {
		return nil, errNotBegun
	}
	result, err := e.terms.verifier.Verify(b, a, e.terms.required)
	return e.collect(result, err, checks)
}

// Explain adds a bundle as [Evaluation.Add] does, and also returns what each step of the
// verification saw.
func (e *Evaluation) Explain(b *bundle.Bundle, a verify.Artifact, checks ...func(*verify.Result) error) (verify.Explanation, *verify.Result, error) {
	if e == nil || e.terms == nil {
		return verify.Explanation{Err: errNotBegun}, nil, errNotBegun
	}
	explained := e.terms.verifier.Explain(b, a, e.terms.required)
	result, err := e.collect(explained.Result, explained.Err, checks)
	return explained, result, err
}

func (e *Evaluation) collect(result *verify.Result, err error, checks []func(*verify.Result) error) (*verify.Result, error) {
	if err != nil {
		return nil, err
	}
	for _, check := range checks {
		if err := check(result); err != nil {
			return nil, err
		}
	}
	e.results = append(e.results, result)
	return result, nil
}

// AddFrom collects those results of another evaluation for which about reports that they cover
// this evaluation's artifact too. Both evaluations must come from one Begin.
func (e *Evaluation) AddFrom(other *Evaluation, about func(*verify.Result) bool) error {
	if e == nil || other == nil || e.terms == nil || e.terms != other.terms {
		return errors.New("evaluating policy: the other evaluation is of another policy, verifier or facts")
	}
	for _, r := range other.results {
		if about(r) {
			e.results = append(e.results, r)
		}
	}
	return nil
}

// Counts reports whether some rule accepts one of the results, sufficient for that rule or
// not. A condition that is too costly may accept it.
func (e *Evaluation) Counts() bool {
	return e != nil && e.terms != nil && slices.ContainsFunc(e.results, e.terms.policy.counts)
}

// Decide reports whether the results meet every rule of the policy. The error is a
// [*verify.Error], unless the evaluation was not begun. It may be called again after
// more bundles have been added.
func (e *Evaluation) Decide() (*Outcome, error) {
	if e == nil || e.terms == nil {
		return nil, errNotBegun
	}
	rules, err := e.terms.policy.settle(e.results)
	if err != nil {
		return nil, err
	}
	return &Outcome{rules, slices.Clone(e.results), e.terms.gaps}, nil
}

var errNotBegun = errors.New("evaluating policy: the Evaluation was not made by Policy.Begin")

// Undecided reports whether an error of Verify, Begin or Decide is neither yes nor no: a fact
// is missing, the trusted root is stale, or a condition took too long and the other results
// are not enough.
func Undecided(err error) bool {
	var refusal *verify.Error
	return errors.As(err, &refusal) && slices.Contains([]verify.Code{verify.ConditionTooCostly, verify.FactMissing, verify.TrustStale}, refusal.Code)
}

// requirements returns what each bundle must prove, whichever rule it counts for: any of the
// signers, any of the types, and all thresholds.
func (p *Policy) requirements(f Facts) verify.Requirements {
	v := p.prepared
	if len(v.Identities)+len(v.Keys) != len(p.Signers) { // built by a program
		v = p.union()
	}
	v.LogThreshold, v.TimestampThreshold = p.LogThreshold, p.TimestampThreshold
	v.WitnessPolicies = slices.Concat(p.WitnessPolicies, f.Witnesses.policies)
	return v
}
