// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"crypto"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// What a rule may accept besides predicate types.
const (
	Signature = "signature" // over the artifact's bytes; what rules accept by default
	Any       = "any"       // a signature, or a statement of any type
)

// A Policy is a checked policy. The zero Policy accepts nothing.
type Policy struct {
	Signers            []Signer      // by name
	Rules              []Rule        // all must be met
	LogThreshold       int           // distinct logs that have each bundle's entry; 0 means 1
	TimestampThreshold int           // distinct sources of each bundle's time; 0 means 1
	MaxRootAge         time.Duration // of the trusted root; 0: any

	WitnessPolicies []checkpoint.WitnessPolicy // each must be met by the cosignatures of the logs' checkpoints

	prepared verify.Requirements // the result of union, for all bundles
}

// A Signer is an identity or a key that may sign.
type Signer struct {
	Name    string
	Kind    string           // email, uri, spiffe, github, gitlab, ci or key
	Matcher identity.Matcher // of an identity
	Key     crypto.PublicKey // nil for an identity
}

// A Rule requires the signatures of some signers over one artifact.
type Rule struct {
	SignedBy []string // names of signers
	AtLeast  int      // how many different signers, each with their own signature
	Accepts  []string // Signature, Any, predicate types
	Where    string   // CEL over the statement; empty: no condition

	holds Condition
}

// A Condition reports whether a statement meets an expression. An error reports that the
// expression can't be evaluated, for example because a member is missing; it counts as no.
// ErrTooCostly is neither no nor yes.
type Condition func(*intoto.Statement) (bool, error)

// ErrTooCostly is returned by a Condition that would take too long, or too much memory, on a
// statement.
var ErrTooCostly = errors.New("evaluating the condition on this statement takes too many steps, or too much memory")

// A Compiler compiles an expression to a Condition, and refuses a malformed one.
type Compiler func(expression string) (Condition, error)

// ErrMalformed is the cause of every refusal of Parse.
var ErrMalformed = errors.New("malformed policy")

// Parse reads a policy file. It compiles expressions with compile; if compile is nil, it
// refuses them.
func Parse(raw []byte, compile Compiler) (*Policy, error) {
	doc, err := readDocument(raw)
	if err != nil {
		return nil, fmt.Errorf("parsing policy: %w: %w", ErrMalformed, err)
	}
	p, err := doc.policy(compile)
	if err != nil {
		return nil, fmt.Errorf("parsing policy: %w: %w", ErrMalformed, err)
	}
	p.prepared = p.union()
	return p, nil
}

// ForIdentity returns a policy that accepts one identity, for any kind of signature.
func ForIdentity(subject, issuer string) *Policy {
	return one(Signer{Name: subject, Kind: "certificate", Matcher: identity.NewMatcher(subject, issuer)})
}

// ForKey returns a policy that accepts one key, for any kind of signature.
func ForKey(name string, key crypto.PublicKey) *Policy {
	return one(Signer{Name: name, Kind: "key", Key: key})
}

func one(s Signer) *Policy {
	p := &Policy{Signers: []Signer{s}, Rules: []Rule{{SignedBy: []string{s.Name}, AtLeast: 1, Accepts: []string{Any}}}}
	p.prepared = p.union()
	return p
}

// Accepting returns the policy with rules that accept these types alone: [Signature],
// or predicate types.
func (p *Policy) Accepting(types ...string) (*Policy, error) {
	if err := checkAccepts(types); err != nil {
		return nil, err
	}
	out := *p
	out.Rules = slices.Clone(p.Rules)
	for i := range out.Rules {
		out.Rules[i].Accepts = types
	}
	out.prepared = out.union()
	return &out, nil
}

// union returns requirements that accept the signatures of any signer under any rule.
func (p *Policy) union() (v verify.Requirements) {
	for _, s := range p.Signers {
		if s.Key != nil {
			v.Keys = append(v.Keys, s.Key)
		} else {
			v.Identities = append(v.Identities, s.Matcher)
		}
	}
	for _, r := range p.Rules {
		if slices.Contains(r.Accepts, Any) || slices.Contains(r.Accepts, Signature) {
			v.PredicateTypes = nil
			break
		}
		v.PredicateTypes = append(v.PredicateTypes, r.Accepts...)
	}
	return v
}

const (
	maxSigners = 1000
	maxRules   = 100
)

func (d document) policy(compile Compiler) (*Policy, error) {
	if len(d.Signers) > maxSigners || len(d.Require) > maxRules {
		return nil, fmt.Errorf("%d signers and %d rules, at most %d and %d", len(d.Signers), len(d.Require), maxSigners, maxRules)
	}
	p := &Policy{
		LogThreshold: int(d.Thresholds.Logs), TimestampThreshold: int(d.Thresholds.Timestamps),
		MaxRootAge: time.Duration(d.TrustRoot.MaxAge),
	}
	var err error
	if p.WitnessPolicies, err = d.Witnesses.compile(); err != nil {
		return nil, fmt.Errorf("witnesses: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Signers)) {
		s, err := d.Signers[name].compile()
		if err != nil {
			return nil, fmt.Errorf("signer %s: %w", name, err)
		}
		s.Name = name
		p.Signers = append(p.Signers, s)
	}
	if len(d.Require) == 0 {
		return nil, errors.New("require: no rule, so that nothing could be accepted")
	}
	for i, r := range d.Require {
		compiled, err := r.compile(d.Signers, compile)
		if err != nil {
			return nil, fmt.Errorf("require, rule %d: %w", i+1, err)
		}
		p.Rules = append(p.Rules, compiled)
	}
	return p, p.allUsed()
}

// allUsed refuses signers that no rule names: the author of the policy expects them to count.
func (p *Policy) allUsed() error {
	for _, s := range p.Signers {
		if !slices.ContainsFunc(p.Rules, func(r Rule) bool { return slices.Contains(r.SignedBy, s.Name) }) {
			return fmt.Errorf("signer %s: no rule's signedBy names it", s.Name)
		}
	}
	return nil
}

func (r rule) compile(signers map[string]signer, compile Compiler) (Rule, error) {
	out := Rule{SignedBy: r.SignedBy, AtLeast: max(int(r.AtLeast), 1), Where: r.Where}
	for _, t := range r.Accepts {
		if uri, ok := intoto.PredicateType(t); ok {
			t = uri
		}
		out.Accepts = append(out.Accepts, t)
	}
	seen := map[string]bool{}
	for _, name := range r.SignedBy {
		if _, ok := signers[name]; !ok {
			return Rule{}, fmt.Errorf("signedBy: there is no signer %q", name)
		}
		if seen[name] {
			return Rule{}, fmt.Errorf("signedBy: %s twice", name)
		}
		seen[name] = true
	}
	if out.AtLeast > len(r.SignedBy) {
		return Rule{}, fmt.Errorf("atLeast: %d of %d signers", out.AtLeast, len(r.SignedBy))
	}
	if len(out.Accepts) == 0 {
		out.Accepts = []string{Signature}
	}
	if err := checkAccepts(out.Accepts); err != nil {
		return Rule{}, err
	}
	if r.Where == "" {
		return out, nil
	}
	if slices.Contains(out.Accepts, Signature) {
		return Rule{}, errors.New("where: a signature over bytes states nothing; say with accepts which statements are meant")
	}
	if compile == nil {
		return Rule{}, errors.New("where: this program evaluates no conditions; the hallmark command does")
	}
	var err error
	if out.holds, err = compile(r.Where); err != nil {
		return Rule{}, fmt.Errorf("where: %w", err)
	}
	return out, nil
}

func checkAccepts(types []string) error {
	for i, t := range types {
		u, err := url.Parse(t)
		switch {
		case slices.Contains(types[:i], t):
			return fmt.Errorf("accepts: %s twice", t)
		case t == Any && len(types) > 1:
			return errors.New("accepts: any goes with nothing else")
		case t != Any && t != Signature && (err != nil || !u.IsAbs()):
			return fmt.Errorf("accepts: %q is neither signature, any, slsaprovenance1, spdx, cyclonedx, vuln, openvex, link nor the URI of a predicate type", t)
		}
	}
	return nil
}
