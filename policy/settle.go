// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// settle checks the results of the bundles of one artifact against every rule.
func (p *Policy) settle(results []*verify.Result) ([]Counted, error) {
	if len(p.Rules) == 0 {
		return nil, &verify.Error{Step: verify.StepIdentity, Code: verify.IdentityMismatch, Err: errors.New("the policy has no rule")}
	}
	var rules []Counted
	var undecided error
	for i := range p.Rules {
		by, err := p.settleRule(&p.Rules[i], results)
		switch {
		case tooCostly(err):
			undecided = err
		case err != nil:
			return nil, err
		}
		rules = append(rules, Counted{p.Rules[i], by})
	}
	if undecided != nil {
		return nil, undecided
	}
	return rules, nil
}

// tooCostly reports whether an error is that of a condition which took too long, so that its
// result is unknown.
func tooCostly(err error) bool {
	var refusal *verify.Error
	return errors.As(err, &refusal) && refusal.Code == verify.ConditionTooCostly
}

// counts reports whether some rule accepts a result, sufficient for that rule or not, or may
// accept it because a condition is too costly.
func (p *Policy) counts(result *verify.Result) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		if len(p.names(&r, result)) == 0 {
			return false
		}
		err := r.admits(result)
		return err == nil || err.Code == verify.ConditionTooCostly
	})
}

// settleRule checks one rule. It assigns each accepted result to a signer, so that no
// signature counts for two signers, and no person twice, and requires enough different
// signers.
func (p *Policy) settleRule(r *Rule, results []*verify.Result) (map[string]*verify.Result, error) {
	var who crowd
	var refused error
	for _, result := range results {
		names := p.names(r, result)
		if len(names) == 0 {
			refused = closer(refused, &verify.Error{
				Step: verify.StepIdentity, Code: verify.IdentityMismatch,
				Expected: strings.Join(r.SignedBy, " or ") + ", of the policy", Found: person(result),
			})
			continue
		}
		if err := r.admits(result); err != nil {
			refused = closer(refused, err)
			continue
		}
		who.add(result, names)
	}
	found, want := who.named(), max(r.AtLeast, 1)
	switch {
	case len(found) >= want:
		return found, nil
	case len(found) == 0 && refused != nil, tooCostly(refused):
		return nil, refused
	}
	return nil, &verify.Error{
		Step: verify.StepIdentity, Code: verify.ThresholdIdentities, Err: refused,
		Expected: fmt.Sprintf("%d of %s", want, strings.Join(r.SignedBy, ", ")),
		Found:    fmt.Sprintf("%d: %s", len(found), cmp.Or(strings.Join(who.words(), ", "), "none of them")),
	}
}

// closer returns the refusal that came further: conditions are checked after the type, and a
// condition with an unknown result comes before all.
func closer(a error, b *verify.Error) error {
	var earlier *verify.Error
	if tooCostly(a) {
		return a
	}
	if !errors.As(a, &earlier) || earlier.Step < b.Step || tooCostly(b) {
		return b
	}
	if earlier.Code == verify.PredicateTypeMismatch && b.Code == verify.PredicateMismatch {
		return b
	}
	return a
}

// names returns the rule's signers that match a result.
func (p *Policy) names(r *Rule, result *verify.Result) []string {
	var names []string
	for _, s := range p.Signers {
		if slices.Contains(r.SignedBy, s.Name) && s.signed(result) {
			names = append(names, s.Name)
		}
	}
	return names
}

func (s Signer) signed(result *verify.Result) bool {
	if s.Key == nil {
		return result.Certificate != nil && s.Matcher.Match(result.Identity)
	}
	key, ok := s.Key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && result.Certificate == nil && key.Equal(result.Key)
}

// admits checks signed content against the rule.
func (r *Rule) admits(result *verify.Result) *verify.Error {
	found, accepted := Signature, slices.Contains(r.Accepts, Signature)
	if result.Statement != nil {
		found = result.Statement.PredicateType
		// a statement may name the word "signature" as its type
		accepted = accepted && found == intoto.TypeSigned || found != Signature && slices.Contains(r.Accepts, found)
	}
	if !accepted && !slices.Contains(r.Accepts, Any) {
		return &verify.Error{
			Step: verify.StepStatement, Code: verify.PredicateTypeMismatch,
			Expected: strings.Join(r.Accepts, " or "), Found: found,
		}
	}
	if r.holds == nil {
		if r.Where != "" {
			return &verify.Error{
				Step: verify.StepStatement, Code: verify.PredicateMismatch, Expected: r.Where,
				Err: errors.New("the condition was not compiled by policy.Parse"),
			}
		}
		return nil
	}
	if result.Statement == nil {
		return &verify.Error{Step: verify.StepStatement, Code: verify.PredicateTypeMismatch, Expected: "a statement, for " + r.Where, Found: found}
	}
	holds, err := r.holds(result.Statement)
	if errors.Is(err, ErrTooCostly) {
		return &verify.Error{Step: verify.StepStatement, Code: verify.ConditionTooCostly, Err: err, Expected: r.Where}
	}
	if err != nil || !holds {
		return &verify.Error{Step: verify.StepStatement, Code: verify.PredicateMismatch, Err: err, Expected: r.Where, Found: fmt.Sprint(holds)}
	}
	return nil
}

// person returns in words who has signed.
func person(result *verify.Result) string {
	if result.Certificate == nil {
		return "a key"
	}
	return result.Identity.Subject.Value + " from " + result.Identity.Issuer
}

// A crowd is the set of different people among signers. Two results are of one person if they
// share an identity or a key: someone who has signed by certificate and signs again with the
// same key, bare or certified for another name, is still one person.
type crowd struct {
	people []*individual
}

// An individual is one person of a crowd.
type individual struct {
	traits []string                  // identities and keys
	names  []string                  // matching signers of the policy
	by     map[string]*verify.Result // by each of names
	words  string
}

// add adds the signer of a result, who matches the policy's signers in names.
func (c *crowd) add(result *verify.Result, names []string) {
	merged := &individual{traits: traitsOf(result), names: names, by: map[string]*verify.Result{}, words: person(result)}
	for _, name := range names {
		merged.by[name] = result
	}
	var others []*individual
	for _, one := range c.people {
		if !slices.ContainsFunc(one.traits, func(t string) bool { return slices.Contains(merged.traits, t) }) {
			others = append(others, one)
			continue
		}
		merged.traits, merged.names = append(merged.traits, one.traits...), append(merged.names, one.names...)
		maps.Copy(merged.by, one.by)
		merged.words = one.words
	}
	c.people = append(others, merged)
}

// named assigns distinct names to as many people as possible. It returns the result by which
// each has the name.
func (c *crowd) named() map[string]*verify.Result {
	var all [][]string
	for _, one := range c.people {
		all = append(all, one.names)
	}
	found := map[string]*verify.Result{}
	for name, i := range matching(all) {
		found[name] = c.people[i].by[name]
	}
	return found
}

func (c *crowd) words() []string {
	var all []string
	for _, one := range c.people {
		all = append(all, one.words)
	}
	return all
}

// traitsOf returns what distinguishes the signer of a result from others: the key, and the
// identity with its issuer. Email addresses are compared case-insensitively, as mail systems
// and identity providers do.
func traitsOf(result *verify.Result) []string {
	var traits []string
	if der, err := x509.MarshalPKIXPublicKey(result.Key); err == nil {
		traits = append(traits, string(der))
	}
	if result.Certificate == nil {
		return traits
	}
	subject := result.Identity.Subject
	if subject.Type == identity.Email {
		subject.Value = strings.ToLower(subject.Value)
	}
	return append(traits, fmt.Sprintf("%q %v %q", result.Identity.Issuer, subject.Type, subject.Value))
}

// matching assigns distinct names to as many people as possible: a maximum matching, by
// augmenting paths. It returns the person of each name.
func matching(people [][]string) map[string]int {
	taken := map[string]int{}
	var place func(person int, tried map[string]bool) bool
	place = func(person int, tried map[string]bool) bool {
		for _, name := range people[person] {
			if tried[name] {
				continue
			}
			tried[name] = true
			holder, held := taken[name]
			if !held || place(holder, tried) {
				taken[name] = person
				return true
			}
		}
		return false
	}
	for person := range people {
		place(person, map[string]bool{})
	}
	return taken
}
