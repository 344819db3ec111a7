package policy

import (
	"cmp"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
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
	var undecided error
	for i := range p.Rules {
		switch err := p.settle(&p.Rules[i], results); {
		case Undecided(err):
			undecided = err
		case err != nil:
			return err
		}
	}
	return undecided
}

// Undecided says whether an error of Settle is none that refuses: a condition took too
// long to know its answer, and what else was proved is not enough.
func Undecided(err error) bool {
	var refusal *verify.Error
	return errors.As(err, &refusal) && refusal.Code == verify.ConditionTooCostly
}

// Counts says whether some rule accepts a result, be it enough for that rule or not,
// or may accept it, where a condition is too costly.
func (p *Policy) Counts(result *verify.Result) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		if len(p.names(&r, result)) == 0 {
			return false
		}
		err := r.admits(result)
		return err == nil || err.Code == verify.ConditionTooCostly
	})
}

// settle holds one rule: each result that it accepts is a signer's, and so many
// different signers must be found that no signature counts for two of them, and
// nobody twice.
func (p *Policy) settle(r *Rule, results []*verify.Result) error {
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
	found := matching(who.names())
	switch {
	case found >= r.AtLeast:
		return nil
	case found == 0 && refused != nil, Undecided(refused):
		return refused
	}
	return &verify.Error{
		Step: verify.StepIdentity, Code: verify.ThresholdIdentities, Err: refused,
		Expected: fmt.Sprintf("%d of %s", r.AtLeast, strings.Join(r.SignedBy, ", ")),
		Found:    fmt.Sprintf("%d: %s", found, cmp.Or(strings.Join(who.words(), ", "), "none of them")),
	}
}

// closer keeps the refusal that came further; a condition is looked at after the type,
// and one whose answer is not known comes before all.
func closer(a error, b *verify.Error) error {
	var earlier *verify.Error
	if Undecided(a) {
		return a
	}
	if !errors.As(a, &earlier) || earlier.Step < b.Step || Undecided(b) {
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

// crowd is the different people among signers. Two results are of one person if they
// share an identity or a key: whoever has signed by certificate and signs again with the
// same key, bare or certified for another name, is still one.
type crowd struct {
	people []*individual
}

// individual is one person of a crowd.
type individual struct {
	traits []string // identities and keys
	names  []string // signers of the policy that fit
	words  string
}

// add adds the signer of a result, for whom these signers of the policy stand.
func (c *crowd) add(result *verify.Result, names []string) {
	merged := &individual{traits: traitsOf(result), names: names, words: person(result)}
	var others []*individual
	for _, one := range c.people {
		if !slices.ContainsFunc(one.traits, func(t string) bool { return slices.Contains(merged.traits, t) }) {
			others = append(others, one)
			continue
		}
		merged.traits, merged.names = append(merged.traits, one.traits...), append(merged.names, one.names...)
		merged.words = one.words
	}
	c.people = append(others, merged)
}

func (c *crowd) names() [][]string {
	var all [][]string
	for _, one := range c.people {
		all = append(all, one.names)
	}
	return all
}

func (c *crowd) words() []string {
	var all []string
	for _, one := range c.people {
		all = append(all, one.words)
	}
	return all
}

// traitsOf returns what tells the signer of a result from others: the key, and the
// identity with its issuer. Email addresses are compared without case, as mail systems
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
