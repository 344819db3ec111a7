// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"crypto"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/policy/cel"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

var update = flag.Bool("update", false, "write testdata/refusals.txt anew")

// A refusal is a case that results in a code: a bundle, and other unusual inputs.
type refusal struct {
	bundle   *bundle.Bundle
	artifact []byte               // default: the artifact
	policy   *verify.Requirements // default: trustAlice
	root     *trust.Root          // default: the instance's
	file     string               // a policy file, in place of policy
	digest   crypto.Hash          // the artifact is passed as this digest
}

// repository returns the identity of a build of a repository, with its name and number.
func repository(name, id string) identity.Identity {
	workflow := "https://github.com/" + name + "/.github/workflows/release.yml@refs/tags/v1"
	return identity.Identity{
		Issuer: "https://token.actions.githubusercontent.com", Subject: identity.Subject{Type: identity.URI, Value: workflow},
		Build: identity.Build{ConfigURI: workflow, SignerURI: workflow, SourceRepositoryURI: "https://github.com/" + name, SourceRepositoryID: id, SourceRepositoryRef: "refs/tags/v1"},
	}
}

const repositoryPolicy = `version: 1
signers:
  release: {github: {repository: acme/widget, repositoryID: 7, workflow: .github/workflows/release.yml, ref: {glob: refs/tags/v*}}}
require:
  - signedBy: [release]
`

const attestedPolicy = `version: 1
signers:
  alice: {email: alice@example.com, issuer: https://login.example.com}
  bob: {email: bob@example.com, issuer: https://login.example.com}
require:
  - signedBy: [alice, bob]
`

// refusals returns a case for each code.
func refusals(t *testing.T, in, foreign *instance) map[verify.Code]refusal {
	good := func() *bundle.Bundle { return in.sign(t, artifact, order{}) }
	spoiled := func(spoil func(*bundle.Bundle)) refusal {
		b := good()
		spoil(b)
		return refusal{bundle: b}
	}
	entry := func(spoil func(*rekor.Entry)) refusal {
		return spoiled(func(b *bundle.Bundle) { spoil(&b.Entries[0]) })
	}
	attested := in.sign(t, nil, order{payload: statementOf("sha256", sum256(artifact), "https://example.com/p")})
	two := trustAlice
	two.LogThreshold = 2
	witnessed := trustAlice
	_, witness := newWitness(t, 1)
	witnessed.WitnessPolicies = []checkpoint.WitnessPolicy{checkpoint.AtLeast(1, []checkpoint.Key{witness})}
	twice := trustAlice
	twice.TimestampThreshold = 2
	typed := trustAlice
	typed.PredicateTypes = []string{"https://slsa.dev/provenance/v1"}
	keys := verify.Requirements{Keys: []crypto.PublicKey{in.ct.Public()}}
	later := *in.root
	later.CTLogs = []trust.Log{in.root.CTLogs[0]}
	later.CTLogs[0].Key = foreign.ct.Public()
	return map[verify.Code]refusal{
		verify.Malformed:               spoiled(func(b *bundle.Bundle) { b.Certificates[0] = []byte{0x30, 0} }),
		verify.OtherInstance:           {bundle: foreign.sign(t, artifact, order{})},
		verify.TimestampMissing:        spoiled(func(b *bundle.Bundle) { b.Timestamps = nil }),
		verify.TimestampInvalid:        spoiled(func(b *bundle.Bundle) { b.Timestamps[0] = in.tsas[0].stamp(t, []byte("another"), signedAt, false) }),
		verify.TimestampUntrusted:      spoiled(func(b *bundle.Bundle) { b.Timestamps[0] = foreign.tsas[0].stamp(t, b.Signature(), signedAt, true) }),
		verify.ThresholdTimestamps:     {bundle: good(), policy: &twice},
		verify.ChainUntrusted:          {bundle: in.sign(t, artifact, order{ca: &foreign.intermediate})},
		verify.CertificateExpired:      {bundle: in.sign(t, artifact, order{at: signedAt.Add(time.Hour)})},
		verify.SCTMissing:              {bundle: in.sign(t, artifact, order{noSCT: true})},
		verify.SCTInvalid:              {bundle: good(), root: &later},
		verify.IdentityMismatch:        {bundle: in.sign(t, artifact, order{who: identity.Identity{Issuer: alice.Issuer, Subject: identity.Subject{Type: identity.Email, Value: "mallory@example.com"}}})},
		verify.RepositoryRenamed:       {bundle: in.sign(t, artifact, order{who: repository("acme/gadget", "7")}), file: repositoryPolicy},
		verify.RepositoryReplaced:      {bundle: in.sign(t, artifact, order{who: repository("acme/widget", "666")}), file: repositoryPolicy},
		verify.KeyMismatch:             {bundle: in.sign(t, artifact, order{keyed: true}), policy: &keys},
		verify.LogMissing:              spoiled(func(b *bundle.Bundle) { b.Entries = nil }),
		verify.LogUnknown:              entry(func(e *rekor.Entry) { e.LogID = make([]byte, 32) }),
		verify.LogEntryMismatch:        spoiled(func(b *bundle.Bundle) { b.Entries = in.sign(t, artifact, order{}).Entries }),
		verify.LogProofInvalid:         entry(func(e *rekor.Entry) { e.LogIndex += 1000 }),
		verify.CheckpointInvalid:       entry(func(e *rekor.Entry) { e.Proof.Checkpoint = nil }),
		verify.ThresholdWitnesses:      {bundle: good(), policy: &witnessed},
		verify.ThresholdLogs:           {bundle: good(), policy: &two},
		verify.ArtifactMismatch:        {bundle: good(), artifact: []byte("changed")},
		verify.DigestAlgorithmMismatch: {bundle: good(), digest: crypto.SHA512},
		verify.SignatureInvalid:        in.forged(t),
		verify.LogPromiseInvalid:       in.falsePromise(t),
		verify.StatementInvalid:        {bundle: in.sign(t, nil, order{payload: []byte("{}")})},
		verify.SubjectMismatch:         {bundle: attested, artifact: []byte("changed")},
		verify.PredicateTypeMismatch:   {bundle: attested, policy: &typed},
		verify.PredicateMismatch:       {bundle: attested, file: strings.Replace(attestedPolicy, "bob]", "bob]\n    accepts: ['https://example.com/p']\n    where: predicate.level > 3", 1)},
		verify.ConditionTooCostly:      {bundle: attested, file: strings.Replace(attestedPolicy, "bob]", "bob]\n    accepts: ['https://example.com/p']\n    where: '[\"x\"]"+strings.Repeat(".map(s, s + s + s + s)", 14)+" == []'", 1)},
		verify.ThresholdIdentities:     {bundle: good(), file: attestedPolicy + "    atLeast: 2\n"},
		verify.FactMissing:             {bundle: good(), file: attestedPolicy + "trustRoot: {maxAge: 24h}\n"},
		verify.TrustStale:              {bundle: good(), file: attestedPolicy + "trustRoot: {maxAge: 24h}\n"},
	}
}

// forged returns a bundle that is logged, but whose signature is over other content.
func (in *instance) forged(t *testing.T) refusal {
	b := in.sign(t, []byte("something else"), order{logs: []*logServer{}})
	b.Message.Hash, b.Message.Digest = crypto.SHA256, sum256(artifact)
	h := rekor.HashedRekord{
		Digest: sum256(artifact), Signature: b.Signature(), Verifier: rekor.Verifier{Certificate: b.Certificates[0], KeyDetails: "PKIX_ECDSA_P256_SHA_256"},
	}
	b.Entries = []rekor.Entry{in.hashed(t, h)}
	return refusal{bundle: b}
}

// falsePromise returns a bundle with an entry of Rekor v1 whose signed entry timestamp is by
// another key.
func (in *instance) falsePromise(t *testing.T) refusal {
	b := in.sign(t, artifact, order{logs: []*logServer{}, tsas: []*stamper{}})
	e := in.logs[0].entryV1(t, b, "hashedrekord", "0.0.1")
	e.IntegratedTime = e.IntegratedTime.Add(time.Second)
	b.Entries = []rekor.Entry{e}
	return refusal{bundle: b}
}

// TestGolden compares the text of each refusal with testdata. It fails for a code without a
// case.
func TestGolden(t *testing.T) {
	in, foreign := newInstance(t, "example.com"), newInstance(t, "example.net")
	cases := refusals(t, in, foreign)
	var got strings.Builder
	for _, code := range verify.Codes() {
		c, ok := cases[code]
		if !ok {
			t.Errorf("no case for %s", code)
			continue
		}
		err := c.judge(t, in, code)
		var refused *verify.Error
		if !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("%s: got %v", code, err)
			continue
		}
		p := fault.Refused(refused)
		p.Subject = "FILE"
		fmt.Fprintf(&got, "-- %s, step %v --\n%s", code, refused.Step, p.Text(""))
	}
	path := filepath.Join("testdata", "refusals.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got.String() {
		t.Errorf("the texts have changed; if they should, run with -update:\n%s", got.String())
	}
}

func (c refusal) judge(t *testing.T, in *instance, code verify.Code) error {
	root, content, held := in.root, artifact, trustAlice
	if c.root != nil {
		root = c.root
	}
	if c.artifact != nil {
		content = c.artifact
	}
	if c.policy != nil {
		held = *c.policy
	}
	a := fromBytes(content)
	if c.digest != 0 {
		a = verify.FromDigest(c.digest, make([]byte, c.digest.Size()))
	}
	v := testkit.Must(verify.New(root))(t)
	if c.file == "" {
		_, err := v.Verify(c.bundle, a, held)
		return err
	}
	p := testkit.Must(policy.Parse([]byte(c.file), cel.Compile))(t)
	facts := policy.Facts{Witnesses: policy.KnownWitnesses()}
	if code == verify.TrustStale {
		facts.RootFetched, facts.Now = signedAt, signedAt.Add(48*time.Hour)
	}
	_, err := p.Verify(v, a, []*bundle.Bundle{c.bundle}, facts)
	return err
}

// TestExplain checks that Explain reports the steps up to the one that refuses, and all nine
// of a valid bundle.
func TestExplain(t *testing.T) {
	in, foreign := newInstance(t, "example.com"), newInstance(t, "example.net")
	v := in.verifier(t)
	for code, c := range refusals(t, in, foreign) {
		if c.root != nil || c.policy != nil || c.file != "" || c.artifact != nil || c.digest != 0 {
			continue
		}
		e := v.Explain(c.bundle, fromBytes(artifact), trustAlice)
		_, err := v.Verify(c.bundle, fromBytes(artifact), trustAlice)
		if e.Result != nil || e.Err == nil || e.Err.Error() != err.Error() {
			t.Errorf("%s: explained as %v, verified as %v", code, e.Err, err)
		}
		var refused *verify.Error
		errors.As(e.Err, &refused)
		for _, s := range e.Steps {
			want := map[bool]verify.Outcome{true: verify.NotReached, false: s.Outcome}[s.Step > refused.Step]
			if s.Step == refused.Step {
				want = verify.Refused
			}
			if s.Outcome != want || s.Step < refused.Step && len(s.Facts) == 0 {
				t.Errorf("%s: step %v %v, want %v", code, s.Step, s.Outcome, want)
			}
		}
	}
	for name, b := range map[string]*bundle.Bundle{
		"bytes": in.sign(t, artifact, order{}), "statement": in.sign(t, nil, order{payload: statementOf("sha256", sum256(artifact), "p")}),
	} {
		e := v.Explain(b, fromBytes(artifact), trustAlice)
		if e.Err != nil || e.Result == nil || len(e.Steps) != 9 {
			t.Fatalf("%s: %v", name, e.Err)
		}
		for _, s := range e.Steps {
			asked := s.Step != verify.StepRevocation && (s.Step != verify.StepStatement || name == "statement")
			if len(s.Facts) == 0 || (s.Outcome == verify.Passed) != asked {
				t.Errorf("%s: %v %v: %q", name, s.Step, s.Outcome, s.Facts)
			}
		}
	}
	keyed := v.Explain(in.sign(t, artifact, order{keyed: true}), fromBytes(artifact), verify.Requirements{Keys: []crypto.PublicKey{fixedKey(t, "signer").Public()}})
	if keyed.Err != nil || keyed.Steps[verify.StepChain-1].Outcome != verify.NotAsked {
		t.Errorf("a key: %+v", keyed)
	}
}
