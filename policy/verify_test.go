// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/policy/cel"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

const content = "artifact"

// A stage is a real instance, with bundles by alice and bob over content.
type stage struct {
	verifier   *verify.Verifier
	issuer     string
	alice, bob *bundle.Bundle
}

func newStage(t testing.TB) stage {
	t.Helper()
	i := hallmarktest.New(t)
	v, err := verify.New(i.Root)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(who string) *bundle.Bundle { return i.Sign(t, who, strings.NewReader(content)) }
	return stage{v, i.URL, sign("alice@example.com"), sign("bob@example.com")}
}

func (s stage) policy(t testing.TB, more string) *policy.Policy {
	t.Helper()
	text := strings.ReplaceAll(strings.Split(threshold, "  staff:")[0]+"require:\n  - {signedBy: [alice, bob], atLeast: 2}\n"+more, login, s.issuer)
	p, err := policy.Parse([]byte(text), cel.Compile)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func artifact() verify.Artifact { return verify.FromReader(strings.NewReader(content)) }

var noDemands = policy.Facts{Witnesses: policy.KnownWitnesses()}

func wants(t *testing.T, name string, err error, want verify.Code) {
	t.Helper()
	var refusal *verify.Error
	if want == "" && err != nil || want != "" && (!errors.As(err, &refusal) || refusal.Code != want) {
		t.Errorf("%s: got %v, want %q", name, err, want)
	}
}

// TestVerifyIsWhole checks that one call requires as many signers as the policy, over one
// artifact.
func TestVerifyIsWhole(t *testing.T) {
	s := newStage(t)
	p := s.policy(t, "")
	verified := func(a verify.Artifact, bundles ...*bundle.Bundle) (*policy.Outcome, error) {
		return p.Verify(s.verifier, a, bundles, noDemands)
	}
	_, err := verified(artifact(), s.alice)
	wants(t, "one of two", err, verify.ThresholdIdentities)
	_, err = verified(artifact(), s.alice, s.alice)
	wants(t, "one twice", err, verify.ThresholdIdentities)
	_, err = verified(artifact())
	wants(t, "no bundle", err, verify.ThresholdIdentities)
	_, err = verified(artifact(), nil, s.bob)
	wants(t, "a bundle that is nil", err, verify.ThresholdIdentities)
	_, err = verified(verify.FromReader(strings.NewReader("changed")), s.alice, s.bob)
	wants(t, "another artifact", err, verify.ArtifactMismatch)
	outcome, err := verified(artifact(), s.alice, s.bob)
	if err != nil {
		t.Fatal(err)
	}
	who := outcome.Rules[0].Signers
	if len(outcome.Results) != 2 || len(outcome.Rules) != 1 || len(who) != 2 || who["alice"].Identity.Subject.Value != "alice@example.com" || who["bob"].Identity.Subject.Value != "bob@example.com" {
		t.Errorf("got %+v", outcome)
	}
	used := artifact()
	if _, err := p.Verify(s.verifier, used, []*bundle.Bundle{s.alice, s.bob}, noDemands); err != nil {
		t.Error(err)
	}
	_, err = p.Verify(s.verifier, used, []*bundle.Bundle{s.alice, s.bob}, noDemands)
	if refusal := new(verify.Error); !errors.Is(err, verify.ErrArtifactRead) || errors.As(err, &refusal) {
		t.Errorf("a reader that was used up: got %v", err)
	}
	if _, err := p.Verify(new(verify.Verifier), artifact(), []*bundle.Bundle{s.alice}, noDemands); err == nil || !strings.Contains(err.Error(), "verify.New") {
		t.Errorf("no verifier: got %v", err)
	}
}

// TestFacts checks that missing facts are refused if the policy needs them, and so are facts
// that are not as required.
func TestFacts(t *testing.T) {
	s := newStage(t)
	plain, aged := s.policy(t, ""), s.policy(t, "trustRoot: {maxAge: 24h}\n")
	key := checkpoint.Key{Name: "witness.example.com", Public: bytes.Repeat([]byte{1}, 32), Cosigning: true}
	now, none := time.Now(), policy.KnownWitnesses()
	for name, c := range map[string]struct {
		policy *policy.Policy
		facts  policy.Facts
		want   verify.Code
		gaps   int
	}{
		"none":                   {plain, policy.Facts{}, verify.FactMissing, 0},
		"times alone":            {plain, policy.Facts{RootFetched: now, Now: now}, verify.FactMissing, 0},
		"no witnesses":           {plain, policy.Facts{Witnesses: none}, "", 1},
		"unknown witnesses":      {plain, policy.Facts{Witnesses: policy.UnknownWitnessesUnsafe()}, "", 2},
		"all":                    {plain, policy.Facts{RootFetched: now, Now: now, Witnesses: none}, "", 0},
		"a witness":              {plain, policy.Facts{Witnesses: policy.KnownWitnesses(checkpoint.AtLeast(1, []checkpoint.Key{key}))}, verify.ThresholdWitnesses, 0},
		"aged: no time at all":   {aged, policy.Facts{Witnesses: none}, verify.FactMissing, 0},
		"aged: no time fetched":  {aged, policy.Facts{Now: now, Witnesses: none}, verify.FactMissing, 0},
		"aged: not the time now": {aged, policy.Facts{RootFetched: now, Witnesses: none}, verify.FactMissing, 0},
		"aged: fresh":            {aged, policy.Facts{RootFetched: now, Now: now.Add(24 * time.Hour), Witnesses: none}, "", 0},
		"aged: stale":            {aged, policy.Facts{RootFetched: now, Now: now.Add(25 * time.Hour), Witnesses: none}, verify.TrustStale, 0},
		"aged: from the future":  {aged, policy.Facts{RootFetched: now, Now: now.Add(-time.Hour), Witnesses: none}, verify.TrustStale, 0},
	} {
		outcome, err := c.policy.Verify(s.verifier, artifact(), []*bundle.Bundle{s.alice, s.bob}, c.facts)
		wants(t, name, err, c.want)
		if err == nil && len(outcome.Gaps) != c.gaps {
			t.Errorf("%s: gaps %v", name, outcome.Gaps)
		}
		if undecided := c.want == verify.FactMissing || c.want == verify.TrustStale; policy.Undecided(err) != undecided {
			t.Errorf("%s: undecided is %t", name, !undecided)
		}
	}
}

// TestDecideAlone checks that only Decide accepts, and only with both signers, whatever was
// begun and added.
func TestDecideAlone(t *testing.T) {
	s := newStage(t)
	p := s.policy(t, "")
	moves := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		e, err := p.Begin(s.verifier, noDemands)
		if err != nil {
			t.Fatal(err)
		}
		other, signed := e.Another(), map[*bundle.Bundle]bool{}
		for range moves.IntN(5) {
			b := []*bundle.Bundle{s.alice, s.bob}[moves.IntN(2)]
			switch moves.IntN(5) {
			case 0:
				if _, err := e.Add(b, artifact()); err != nil {
					t.Fatal(err)
				}
				signed[b] = true
			case 1:
				if _, err := e.Add(b, verify.FromReader(strings.NewReader("changed"))); err == nil {
					t.Fatal("another artifact is added")
				}
			case 2:
				if _, err := e.Add(b, artifact(), func(*verify.Result) error { return io.EOF }); !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			case 3:
				if _, _, err := other.Explain(b, artifact()); err != nil {
					t.Fatal(err)
				}
			case 4:
				if err := e.AddFrom(other, func(*verify.Result) bool { return false }); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := e.Decide(); (err == nil) != (len(signed) == 2) {
			t.Errorf("%d signers: got %v", len(signed), err)
		}
	}
}

// TestZeroSaysNo checks that evaluations that were not begun, or begun by another policy,
// refuse, and so do policies that a program has built without rule, signer or condition.
func TestZeroSaysNo(t *testing.T) {
	s := newStage(t)
	for name, e := range map[string]*policy.Evaluation{"zero": {}, "nil": nil} {
		_, added := e.Add(s.alice, artifact())
		_, decided := e.Decide()
		if added == nil || decided == nil || e.Counts() {
			t.Errorf("%s: %v, %v", name, added, decided)
		}
	}
	for name, p := range map[string]*policy.Policy{
		"zero":         {},
		"empty rule":   {Rules: []policy.Rule{{}}},
		"no condition": {Signers: s.policy(t, "").Signers, Rules: []policy.Rule{{SignedBy: []string{"alice"}, Accepts: []string{policy.Any}, Where: "false"}}},
	} {
		for _, bundles := range [][]*bundle.Bundle{nil, {s.alice}} {
			if _, err := p.Verify(s.verifier, artifact(), bundles, noDemands); err == nil {
				t.Errorf("%s: %d bundles are enough", name, len(bundles))
			}
		}
	}
	strict, err := s.policy(t, "").Begin(s.verifier, noDemands)
	if err != nil {
		t.Fatal(err)
	}
	lax, err := policy.ForIdentity("alice@example.com", s.issuer).Begin(s.verifier, noDemands)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lax.Add(s.alice, artifact()); err != nil {
		t.Fatal(err)
	}
	if err := strict.AddFrom(lax, func(*verify.Result) bool { return true }); err == nil {
		t.Error("results of another policy are added")
	}
}
