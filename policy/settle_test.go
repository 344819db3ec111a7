// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/policy/cel"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

const login = "https://login.example.com"

func by(subject string) *verify.Result {
	return &verify.Result{
		Identity:    identity.Identity{Issuer: login, Subject: identity.Subject{Type: identity.Email, Value: subject}},
		Certificate: new(x509.Certificate), Digest: []byte{1},
	}
}

func stating(r *verify.Result, predicateType, predicate string) *verify.Result {
	r.Statement = &intoto.Statement{Type: intoto.TypeV1, PredicateType: predicateType, Predicate: []byte(predicate)}
	return r
}

func parse(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(text), cel.Compile)
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return p
}

func settles(t *testing.T, name string, p *policy.Policy, want verify.Code, results ...*verify.Result) {
	t.Helper()
	err := p.Settle(results)
	var refusal *verify.Error
	if want == "" && err != nil || want != "" && (!errors.As(err, &refusal) || refusal.Code != want) {
		t.Errorf("%s: got %v, want %q", name, err, want)
	}
}

const threshold = `version: 1
signers:
  alice: {email: alice@example.com, issuer: https://login.example.com}
  bob: {email: bob@example.com, issuer: https://login.example.com}
  staff: {email: {glob: "*@example.com"}, issuer: https://login.example.com}
require:
  - {signedBy: [alice, bob, staff], atLeast: 2}
`

// TestThresholdOfSigners checks that no signer counts twice, neither by two signatures nor by
// two names that match.
func TestThresholdOfSigners(t *testing.T) {
	p := parse(t, threshold)
	alice, bob, carol := by("alice@example.com"), by("bob@example.com"), by("carol@example.com")
	settles(t, "no signer", p, verify.ThresholdIdentities)
	settles(t, "one", p, verify.ThresholdIdentities, alice)
	settles(t, "one twice", p, verify.ThresholdIdentities, alice, by("alice@example.com"))
	settles(t, "two", p, "", alice, bob)
	settles(t, "two, either order", p, "", carol, alice)
	settles(t, "two of the same name", p, verify.ThresholdIdentities, carol, by("dora@example.com"))
	settles(t, "a stranger besides", p, "", by("mallory@evil.example"), bob, carol)
	settles(t, "a stranger alone", p, verify.IdentityMismatch, by("mallory@evil.example"))
	// carol has two names, each by another of her bundles
	p = parse(t, threshold[:strings.Index(threshold, "  alice:")]+`  build: {email: {glob: "*@example.com"}, issuer: https://login.example.com, build: {trigger: push}}
  release: {email: carol@example.com, issuer: https://login.example.com, build: {trigger: tag}}
require:
  - {signedBy: [build, release], atLeast: 2}
`)
	pushed := func(who, trigger string) *verify.Result {
		r := by(who)
		r.Identity.Build.Trigger = trigger
		return r
	}
	settles(t, "two names of one", p, verify.ThresholdIdentities, pushed("carol@example.com", "push"), pushed("carol@example.com", "tag"))
	settles(t, "two names of one, and another", p, "", pushed("carol@example.com", "push"), pushed("carol@example.com", "tag"), pushed("dora@example.com", "push"))
	settles(t, "three", parse(t, strings.Replace(threshold, "atLeast: 2", "atLeast: 3", 1)), "", alice, bob, carol)
}

// TestOnePerson checks that a person, a key and a signature each count once, under whatever
// names.
func TestOnePerson(t *testing.T) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	p := parse(t, `version: 1
signers:
  staff: {email: {glob: "*@example.com"}, issuer: https://login.example.com}
  Staff: {email: {glob: "*@Example.com"}, issuer: https://login.example.com}
  key:
    key: |
      `+strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "\n", "\n      ")+`
require:
  - {signedBy: [staff, Staff, key], atLeast: 2}
`)
	with := func(r *verify.Result, key crypto.PublicKey) *verify.Result {
		r.Key = key
		return r
	}
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	bare := &verify.Result{Key: public, Digest: []byte{1}}
	settles(t, "a key, bare and certified", p, verify.ThresholdIdentities, with(by("alice@example.com"), public), bare)
	settles(t, "in the other order", p, verify.ThresholdIdentities, bare, with(by("alice@example.com"), public))
	settles(t, "a key certified for two", p, verify.ThresholdIdentities, with(by("alice@example.com"), public), with(by("alice@Example.com"), public))
	settles(t, "an address in other case", p, verify.ThresholdIdentities, with(by("alice@example.com"), public), with(by("Alice@Example.com"), other))
	settles(t, "joined by a third", p, verify.ThresholdIdentities, with(by("alice@example.com"), other), with(by("ALICE@Example.com"), public), bare)
	settles(t, "a key and another person", p, "", bare, with(by("alice@example.com"), other))
}

// TestAccepts checks that a rule counts only content that it accepts.
func TestAccepts(t *testing.T) {
	const slsa = "https://slsa.dev/provenance/v1"
	rule := func(more string) *policy.Policy { return parse(t, small+more) }
	alice, attested := by("alice@example.com"), stating(by("alice@example.com"), slsa, `{"level":3}`)
	settles(t, "bytes by default", rule(""), "", alice)
	settles(t, "a statement by default", rule(""), verify.PredicateTypeMismatch, attested)
	settles(t, "any", rule("    accepts: [any]\n"), "", attested)
	settles(t, "a statement of the type signature", rule(""), verify.PredicateTypeMismatch, stating(by("alice@example.com"), policy.Signature, "{}"))
	settles(t, "its type", rule("    accepts: ["+slsa+"]\n"), "", attested)
	settles(t, "its type by name", rule("    accepts: [spdx, slsaprovenance1]\n"), "", attested)
	settles(t, "another type by name", rule("    accepts: [spdx]\n"), verify.PredicateTypeMismatch, attested)
	settles(t, "another type", rule("    accepts: ["+slsa+"/x]\n"), verify.PredicateTypeMismatch, attested)
	settles(t, "bytes for a type", rule("    accepts: ["+slsa+"]\n"), verify.PredicateTypeMismatch, alice)
	settles(t, "both for a type", rule("    accepts: ["+slsa+"]\n"), "", alice, attested)
	where := "    accepts: [" + slsa + "]\n    where: predicate.level >= "
	settles(t, "condition", rule(where+"3\n"), "", attested)
	settles(t, "condition not met", rule(where+"4\n"), verify.PredicateMismatch, attested)
	settles(t, "condition met by one of two", rule(where+"4\n"), "", attested, stating(by("alice@example.com"), slsa, `{"level":4}`))
	settles(t, "member missing", rule(where+"4\n"), verify.PredicateMismatch, stating(by("alice@example.com"), slsa, `{}`))
	settles(t, "any, with a condition", rule("    accepts: [any]\n    where: predicate.level == 3\n"), verify.PredicateTypeMismatch, alice)
	settles(t, "no policy", new(policy.Policy), verify.IdentityMismatch, alice)
}

func TestRulesAllHold(t *testing.T) {
	p := parse(t, small+"  - signedBy: [alice]\n    accepts: [https://example.com/reviewed]\n")
	alice, reviewed := by("alice@example.com"), stating(by("alice@example.com"), "https://example.com/reviewed", "{}")
	settles(t, "first rule alone", p, verify.PredicateTypeMismatch, alice)
	settles(t, "second rule alone", p, verify.PredicateTypeMismatch, reviewed)
	settles(t, "both", p, "", reviewed, alice)
}

// TestClosestRefusal checks that the error is that of the closest bundle, whatever the order
// of bundles.
func TestClosestRefusal(t *testing.T) {
	const slsa = "https://slsa.dev/provenance/v1"
	p := parse(t, strings.Split(threshold, "require:")[0]+`require:
  - {signedBy: [alice, bob, staff]}
  - {signedBy: [alice], accepts: [`+slsa+`], where: predicate.level >= 4}
`)
	signed, attested := by("alice@example.com"), stating(by("alice@example.com"), slsa, `{"level": 3}`)
	settles(t, "signature first", p, verify.PredicateMismatch, signed, attested)
	settles(t, "attestation first", p, verify.PredicateMismatch, attested, signed)
	settles(t, "no attestation", p, verify.PredicateTypeMismatch, signed)
	settles(t, "by another person", p, verify.PredicateTypeMismatch, signed, stating(by("bob@example.com"), slsa, `{"level": 3}`))
}

// TestCounts checks that a result counts if a rule accepts it, even if it is not sufficient.
func TestCounts(t *testing.T) {
	const slsa = "https://slsa.dev/provenance/v1"
	two, attesting := parse(t, threshold), parse(t, strings.Split(strings.Replace(threshold, "  staff", "  #", 1), "require:")[0]+`require:
  - {signedBy: [alice]}
  - {signedBy: [bob], accepts: [`+slsa+`], where: predicate.level >= 4}
`)
	for name, c := range map[string]struct {
		policy *policy.Policy
		result *verify.Result
		want   bool
	}{
		"one of two":          {two, by("alice@example.com"), true},
		"none of them":        {two, by("alice@example.org"), false},
		"another's statement": {attesting, stating(by("alice@example.com"), slsa, `{"level": 4}`), false},
		"not as it should be": {attesting, stating(by("bob@example.com"), slsa, `{"level": 3}`), false},
		"one rule of two":     {attesting, stating(by("bob@example.com"), slsa, `{"level": 4}`), true},
		"no signature":        {attesting, by("bob@example.com"), false},
	} {
		if got := c.policy.Counts(c.result); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func gitHub() identity.Identity {
	const workflow = "https://github.com/acme/widget/.github/workflows/release.yml@refs/tags/v1"
	return identity.Identity{
		Issuer:  "https://token.actions.githubusercontent.com",
		Subject: identity.Subject{Type: identity.URI, Value: workflow},
		Build: identity.Build{
			SignerURI: workflow, ConfigURI: workflow, SourceRepositoryURI: "https://github.com/acme/widget", SourceRepositoryRef: "refs/tags/v1",
			SourceRepositoryID: "1296269", SourceRepositoryOwnerID: "42", SourceRepositoryOwnerURI: "https://github.com/acme",
			Trigger: "push", RunnerEnvironment: "github-hosted", SourceVisibility: "public",
		},
	}
}

// TestSigners checks each kind of signer of the full policy against an identity that matches,
// and against the same with one field changed.
func TestSigners(t *testing.T) {
	p := parse(t, full)
	reusable := gitHub()
	reusable.Subject.Value = "https://github.com/acme/workflows/.github/workflows/sign.yml@refs/tags/v2"
	reusable.Build.DeploymentEnvironment = "production"
	pipeline := identity.Identity{
		Issuer: "https://gitlab.com", Subject: identity.Subject{Type: identity.URI, Value: "https://gitlab.com/group/sub/name//.gitlab-ci.yml@refs/heads/main"},
		Build: identity.Build{
			SourceRepositoryURI: "https://gitlab.com/group/sub/name", SourceRepositoryID: "7", SourceRepositoryOwnerID: "8",
			SourceRepositoryRef: "refs/heads/main", DeploymentEnvironment: "production",
		},
	}
	kite := identity.Identity{
		Issuer: "https://agent.example.com", Subject: identity.Subject{Type: identity.URI, Value: "https://example.com/acme"},
		Build: identity.Build{SourceRepositoryURI: "https://example.com/r", SourceRepositoryID: "r1", SourceRepositoryRef: "main", ConfigURI: "https://example.com/w"},
	}
	service := identity.Identity{Issuer: "https://spire.example.com", Subject: identity.Subject{Type: identity.URI, Value: "spiffe://example.com/build/7"}}
	known := map[string]identity.Identity{"release": reusable, "pipeline": pipeline, "kite": kite, "service": service, "alice": by("alice@example.com").Identity}
	for _, s := range p.Signers {
		id, ok := known[s.Name]
		if !ok {
			continue
		}
		delete(known, s.Name)
		if !s.Matcher.Match(id) {
			t.Errorf("%s: %v", s.Name, s.Matcher.Differences(id))
		}
		for name, change := range map[string]func(*identity.Identity){
			"issuer":  func(id *identity.Identity) { id.Issuer += "/" },
			"subject": func(id *identity.Identity) { id.Subject.Value += "/x" },
			"type":    func(id *identity.Identity) { id.Subject.Type = identity.Username },
			"prefix":  func(id *identity.Identity) { id.Subject.Value = "x" + id.Subject.Value },
		} {
			other := id
			change(&other)
			if s.Matcher.Match(other) {
				t.Errorf("%s: matches with another %s", s.Name, name)
			}
		}
	}
	if len(known) > 0 {
		t.Errorf("not in the policy: %v", known)
	}
}

// TestPropose checks that a proposed policy accepts the bundles that it was made from, and
// refuses changed ones.
func TestPropose(t *testing.T) {
	entry := func(log string) verify.Entry { return verify.Entry{Log: &trust.Log{BaseURL: log}} }
	at := func(tsa string) verify.Time {
		return verify.Time{Time: time.Unix(1, 0), Authority: &trust.Authority{URI: tsa}}
	}
	release := stating(&verify.Result{Identity: gitHub(), Certificate: new(x509.Certificate), Digest: []byte{1}}, "https://slsa.dev/provenance/v1", "{}")
	key := &verify.Result{Key: ed25519.NewKeyFromSeed(make([]byte, 32)).Public(), Digest: []byte{1}}
	results := []*verify.Result{by("alice@example.com"), release, key, by("alice@example.net")}
	for _, r := range results {
		r.Entries, r.Times = []verify.Entry{entry("a"), entry("b")}, []verify.Time{at("x")}
	}
	text, err := policy.Propose(results)
	if err != nil {
		t.Fatal(err)
	}
	p := parse(t, string(text))
	if err := fits(schema(t), string(text)); err != nil {
		t.Errorf("schema: %v:\n%s", err, text)
	}
	if p.LogThreshold != 2 || p.TimestampThreshold != 0 || len(p.Warnings()) != 0 {
		t.Errorf("thresholds or warnings %v:\n%s", p.Warnings(), text)
	}
	settles(t, "all", p, "", results...)
	for i := range results {
		without := append(append([]*verify.Result{}, results[:i]...), results[i+1:]...)
		if p.Settle(without) == nil {
			t.Errorf("without bundle %d it is accepted:\n%s", i, text)
		}
	}
	moved := gitHub()
	moved.Build.SourceRepositoryID = "7"
	results[1] = stating(&verify.Result{Identity: moved, Certificate: new(x509.Certificate)}, "https://slsa.dev/provenance/v1", "{}")
	settles(t, "another repository of the name", p, verify.IdentityMismatch, results...)
}

// TestProposeForSeveral checks bundles of several artifacts: each needs one of the signers.
func TestProposeForSeveral(t *testing.T) {
	other := by("bob@example.com")
	other.Digest = []byte{2}
	text, err := policy.Propose([]*verify.Result{by("alice@example.com"), other})
	if err != nil {
		t.Fatal(err)
	}
	p := parse(t, string(text))
	settles(t, "alice's", p, "", by("alice@example.com"))
	settles(t, "bob's", p, "", other)
	settles(t, "another signer", p, verify.IdentityMismatch, by("carol@example.com"))
	if _, err := policy.Propose(nil); err == nil {
		t.Error("proposed of nothing")
	}
	for _, word := range []string{policy.Any, policy.Signature, "provenance", "https://example.com/\u202ex"} {
		if text, err := policy.Propose([]*verify.Result{stating(by("alice@example.com"), word, "{}")}); err == nil {
			t.Errorf("a statement of type %s:\n%s", word, text)
		}
	}
}

func TestWarnings(t *testing.T) {
	loose := strings.NewReplacer("alice@example.com", `{glob: "**"}`).Replace(small)
	if w := parse(t, loose).Warnings(); len(w) != 1 {
		t.Errorf("any identity: %v", w)
	}
	if w := parse(t, strings.Replace(small, "{email: alice@example.com, issuer: https://login.example.com}", "{github: {repository: a/b}}", 1)).Warnings(); len(w) != 2 {
		t.Errorf("a repository by name: %v", w)
	}
	for _, wide := range []string{
		`{email: {glob: "*@*"}, issuer: https://login.example.com}`, `{email: {glob: "*@*.example"}, issuer: https://login.example.com}`,
		`{email: {glob: "**"}, issuer: https://login.example.com}`, `{uri: {glob: "https://**"}, issuer: https://login.example.com}`,
		`{uri: {glob: "https://*/x"}, issuer: https://login.example.com}`, `{email: alice@example.com, issuer: {glob: "https://*"}}`,
		`{github: {repository: {glob: "*/widget"}, repositoryID: 7, ref: main}}`, `{gitlab: {project: {glob: "**"}, projectID: 7, ref: main}}`,
	} {
		if w := parse(t, strings.Replace(small, "{email: alice@example.com, issuer: https://login.example.com}", wide, 1)).Warnings(); len(w) != 1 {
			t.Errorf("%s: %q", wide, w)
		}
	}
	if w := parse(t, full).Warnings(); len(w) != 2 { // own, which has neither number nor ref
		t.Errorf("full: %v", w)
	}
}

// TestRequirementsOfChanged checks that policies which a program changes or builds itself take
// effect.
func TestRequirementsOfChanged(t *testing.T) {
	p := parse(t, threshold)
	p.LogThreshold, p.TimestampThreshold = 2, 3
	if v := p.Requirements(policy.Facts{}); v.LogThreshold != 2 || v.TimestampThreshold != 3 || len(v.Identities) != 3 {
		t.Errorf("changed: %+v", v)
	}
	if v := (&policy.Policy{Signers: p.Signers[:2], Rules: p.Rules}).Requirements(policy.Facts{}); len(v.Identities) != 2 {
		t.Errorf("made by hand: %+v", v)
	}
}
