package policy

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// Settle holds what the bundles of one artifact have proved to the rules; nil
// means accepted. Results are of bundles verified with Verification, over the
// same artifact. The error is a *verify.Error.
func (p *Policy) Settle(results []*verify.Result) error {
	if len(p.Rules) == 0 {
		return &verify.Error{Step: verify.StepIdentity, Code: verify.IdentityMismatch, Err: errors.New("the policy has no rule")}
	}
	for i := range p.Rules {
		if err := p.settle(&p.Rules[i], results); err != nil {
			return err
		}
	}
	return nil
}

// Counts says whether some rule accepts a result, be it enough for that rule or not.
func (p *Policy) Counts(result *verify.Result) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		return len(p.names(&r, result)) > 0 && r.admits(result) == nil
	})
}

// settle holds one rule: each result that it accepts is a signer's, and so many
// different signers must be found that no signature counts for two of them, and
// nobody twice.
func (p *Policy) settle(r *Rule, results []*verify.Result) error {
	var people [][]string // names that each different person goes by
	var signed []string   // the people
	at := map[string]int{}
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
		who := personKey(result)
		if _, ok := at[who]; !ok {
			at[who] = len(people)
			people, signed = append(people, nil), append(signed, person(result))
		}
		people[at[who]] = append(people[at[who]], names...)
	}
	found := matching(people)
	switch {
	case found >= r.AtLeast:
		return nil
	case found == 0 && refused != nil:
		return refused
	}
	return &verify.Error{
		Step: verify.StepIdentity, Code: verify.ThresholdIdentities, Err: refused,
		Expected: fmt.Sprintf("%d of %s", r.AtLeast, strings.Join(r.SignedBy, ", ")),
		Found:    fmt.Sprintf("%d: %s", found, orNobody(signed)),
	}
}

func orNobody(people []string) string {
	if len(people) == 0 {
		return "nobody of them"
	}
	return strings.Join(people, ", ")
}

// closer keeps the refusal that came further; a condition is looked at after the type.
func closer(a error, b *verify.Error) error {
	var earlier *verify.Error
	if !errors.As(a, &earlier) || earlier.Step < b.Step {
		return b
	}
	if earlier.Code == verify.PredicateTypeMismatch && b.Code == verify.PredicateMismatch {
		return b
	}
	return a
}

// names are the rule's signers that a result may be of.
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

// admits holds what was signed to the rule.
func (r *Rule) admits(result *verify.Result) *verify.Error {
	found, accepted := Signature, slices.Contains(r.Accepts, Signature)
	if result.Statement != nil {
		found = result.Statement.PredicateType
		// whose type is not ours to choose, and may be the word
		accepted = accepted && found == intoto.TypeSigned || found != Signature && slices.Contains(r.Accepts, found)
	}
	if !accepted && !slices.Contains(r.Accepts, Any) {
		return &verify.Error{
			Step: verify.StepStatement, Code: verify.PredicateTypeMismatch,
			Expected: strings.Join(r.Accepts, " or "), Found: found,
		}
	}
	if r.holds == nil {
		return nil
	}
	if result.Statement == nil {
		return &verify.Error{Step: verify.StepStatement, Code: verify.PredicateTypeMismatch, Expected: "a statement, for " + r.Where, Found: found}
	}
	holds, err := r.holds(result.Statement)
	if err != nil || !holds {
		return &verify.Error{Step: verify.StepStatement, Code: verify.PredicateMismatch, Err: err, Expected: r.Where, Found: fmt.Sprint(holds)}
	}
	return nil
}

// person is who has signed, in words; personKey tells people apart.
func person(result *verify.Result) string {
	if result.Certificate == nil {
		return "a key"
	}
	return result.Identity.Subject.Value + " from " + result.Identity.Issuer
}

func personKey(result *verify.Result) string {
	if result.Certificate != nil {
		return fmt.Sprintf("%q %q", result.Identity.Issuer, result.Identity.Subject.Value)
	}
	der, err := x509.MarshalPKIXPublicKey(result.Key)
	if err != nil {
		return ""
	}
	return string(der)
}

// matching is how many people can each be given a name of their own: the size of
// a maximum matching, by augmenting paths.
func matching(people [][]string) int {
	taken := map[string]int{} // name → person
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
	found := 0
	for person := range people {
		if place(person, map[string]bool{}) {
			found++
		}
	}
	return found
}
