// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// Mistakes that other verifiers have made, one test each.

// hashed returns an entry of log 1 with this body, which an honest log might refuse.
func (in *instance) hashed(t testing.TB, h rekor.HashedRekord) rekor.Entry {
	t.Helper()
	return in.logs[0].alone(t, rekor.KindHashedRekord, rekor.VersionHashedRekord, testkit.Must(h.Body())(t))
}

// TestEntryOfAnotherBundle checks that an entry is refused unless its digest, signature and
// certificate are all equal to the bundle's.
func TestEntryOfAnotherBundle(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	b := in.sign(t, artifact, order{})
	mine := rekor.HashedRekord{Digest: b.Message.Digest, Signature: b.Signature(),
		Verifier: rekor.Verifier{Certificate: b.Certificates[0], KeyDetails: sigalg.ECDSAP256SHA256}}
	b.Entries = []rekor.Entry{in.hashed(t, mine)}
	if _, err := v.Verify(b, fromBytes(artifact), trustAlice); err != nil {
		t.Fatalf("the bundle's own entry: %v", err)
	}
	other := in.sign(t, []byte("other"), order{key: testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)})
	for shared := range 7 {
		h := mine
		var kept []string
		if h.Digest = other.Message.Digest; shared&1 != 0 {
			h.Digest, kept = mine.Digest, append(kept, "digest")
		}
		if h.Signature = other.Signature(); shared&2 != 0 {
			h.Signature, kept = mine.Signature, append(kept, "signature")
		}
		if h.Verifier.Certificate = other.Certificates[0]; shared&4 != 0 {
			h.Verifier.Certificate, kept = mine.Verifier.Certificate, append(kept, "key")
		}
		t.Run(fmt.Sprintf("only %v shared", kept), func(t *testing.T) {
			b.Entries = []rekor.Entry{in.hashed(t, h)}
			_, err := v.Verify(b, fromBytes(artifact), trustAlice)
			refused(t, err, verify.StepLog, verify.LogEntryMismatch)
		})
	}
	// The certificate's bare key does not replace the certificate.
	h := mine
	h.Verifier = rekor.Verifier{PublicKey: testkit.Must(x509.MarshalPKIXPublicKey(fixedKey(t, "signer").Public()))(t), KeyDetails: mine.Verifier.KeyDetails}
	b.Entries = []rekor.Entry{in.hashed(t, h)}
	_, err := v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepLog, verify.LogEntryMismatch)
	// A good entry does not excuse a wrong one of a trusted log.
	b.Entries = []rekor.Entry{in.hashed(t, mine), in.hashed(t, h)}
	_, err = v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepLog, verify.LogEntryMismatch)
}

func TestTimestampOfUntrustedAuthority(t *testing.T) {
	in, foreign := newInstance(t, "example.com"), newInstance(t, "example.net")
	v := in.verifier(t)
	for _, embed := range []bool{true, false} {
		b := in.sign(t, artifact, order{})
		b.Timestamps = [][]byte{foreign.tsas[0].stamp(t, b.Signature(), signedAt, embed)}
		_, err := v.Verify(b, fromBytes(artifact), trustAlice)
		refused(t, err, verify.StepTimes, verify.TimestampUntrusted)
		// Next to a valid one, it changes nothing.
		b.Timestamps = append(b.Timestamps, in.tsas[0].stamp(t, b.Signature(), signedAt, embed))
		if r, err := v.Verify(b, fromBytes(artifact), trustAlice); err != nil || len(r.Times) != 1 {
			t.Errorf("beside a good one: %+v, %v", r, err)
		}
	}
	// An authority that has the trusted one's name.
	b := in.sign(t, artifact, order{})
	impostor := newStamper(t, "impostor")
	b.Timestamps = [][]byte{impostor.stamp(t, b.Signature(), signedAt, true)}
	_, err := v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepTimes, verify.TimestampUntrusted)
	// The trusted one, outside of the root's window.
	b.Timestamps = [][]byte{in.tsas[0].stamp(t, b.Signature(), signedAt.AddDate(0, -2, 0), true)}
	_, err = v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepTimes, verify.TimestampUntrusted)
	// The trusted one, outside of its certificate.
	b.Timestamps = [][]byte{in.tsas[0].stamp(t, b.Signature(), signedAt.AddDate(2, 0, 0), true)}
	_, err = v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepTimes, verify.TimestampUntrusted)
	// The trusted one, of another signature; and one that is mangled.
	stamp := in.tsas[0].stamp(t, []byte("other"), signedAt, true)
	b.Timestamps = [][]byte{stamp}
	_, err = v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepTimes, verify.TimestampInvalid)
	stamp = in.tsas[0].stamp(t, b.Signature(), signedAt, true)
	stamp[len(stamp)-1] ^= 1
	b.Timestamps = [][]byte{stamp}
	_, err = v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepTimes, verify.TimestampInvalid)
}

// TestIdentityIsExact checks that matchers compare complete names: expressions, prefixes,
// parts and other spellings don't match.
func TestIdentityIsExact(t *testing.T) {
	in := newInstance(t, "example.com")
	v, b := in.verifier(t), in.sign(t, artifact, order{})
	for _, m := range []identity.Matcher{
		identity.NewMatcher("alice@example.co.", alice.Issuer), identity.NewMatcher(".*", alice.Issuer), identity.NewMatcher("*", alice.Issuer),
		identity.NewMatcher("alice@example", alice.Issuer), identity.NewMatcher("Alice@example.com", alice.Issuer),
		identity.NewMatcher(alice.Subject.Value, alice.Issuer+"/"), identity.NewMatcher(alice.Subject.Value, "https://login.example"),
		{Subject: identity.Exact(alice.Subject.Value)}, {Issuer: identity.Exact(alice.Issuer)}, {}, identity.NewMatcher("", ""),
		{Subject: identity.Exact(alice.Subject.Value), Issuer: identity.Exact(alice.Issuer), Type: identity.URI},
		{Subject: identity.Glob("*@example.co"), Issuer: identity.Exact(alice.Issuer)}, {Subject: identity.Glob("lice@*"), Issuer: identity.Exact(alice.Issuer)},
	} {
		_, err := v.Verify(b, fromBytes(artifact), verify.Requirements{Identities: []identity.Matcher{m}})
		refused(t, err, verify.StepIdentity, verify.IdentityMismatch)
		var refusal *verify.Error
		if errors.As(err, &refusal); refusal.Found != "alice@example.com from https://login.example.com" {
			t.Errorf("found %q", refusal.Found)
		}
	}
	_, err := v.Verify(b, fromBytes(artifact), verify.Requirements{Identities: []identity.Matcher{{}, trustAlice.Identities[0]}})
	if err != nil {
		t.Errorf("one of two: %v", err)
	}
	// A username is a subject that crypto/x509 can't parse.
	name := identity.Identity{Issuer: alice.Issuer, Subject: identity.Subject{Type: identity.Username, Value: "alice!example.com"}}
	policy := verify.Requirements{Identities: []identity.Matcher{identity.NewMatcher(name.Subject.Value, name.Issuer)}}
	if r, err := v.Verify(in.sign(t, artifact, order{who: name}), fromBytes(artifact), policy); err != nil || r.Identity != name {
		t.Errorf("username: %+v, %v", r, err)
	}
}

// TestThresholdByOneLogTwice checks that thresholds count logs and authorities, not entries
// and tokens.
func TestThresholdByOneLogTwice(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	logs, times := trustAlice, trustAlice
	logs.LogThreshold, times.TimestampThreshold = 2, 2

	b := in.sign(t, artifact, order{})
	b.Entries = append(b.Entries, b.Entries[0])
	_, err := v.Verify(b, fromBytes(artifact), logs)
	refused(t, err, verify.StepLog, verify.ThresholdLogs)
	b.Timestamps = append(b.Timestamps, in.tsas[0].stamp(t, b.Signature(), signedAt.Add(1e9), true))
	_, err = v.Verify(b, fromBytes(artifact), times)
	refused(t, err, verify.StepTimes, verify.ThresholdTimestamps)

	b = in.sign(t, artifact, order{logs: in.logs, tsas: in.tsas})
	both := logs
	both.TimestampThreshold = 2
	if r, err := v.Verify(b, fromBytes(artifact), both); err != nil || len(r.Entries) != 2 || len(r.Times) != 2 {
		t.Errorf("two of each: %+v, %v", r, err)
	}
	both.LogThreshold = 3
	_, err = v.Verify(b, fromBytes(artifact), both)
	refused(t, err, verify.StepLog, verify.ThresholdLogs)
}

// TestArtifactDigestIsCompared checks that the digest in the bundle, a claim of the signer,
// does not replace the artifact's digest.
func TestArtifactDigestIsCompared(t *testing.T) {
	in := newInstance(t, "example.com")
	v, b := in.verifier(t), in.sign(t, artifact, order{})
	for name, a := range map[string]verify.Artifact{
		"file": fromBytes([]byte("other")), "digest": verify.FromDigest(crypto.SHA256, sum256([]byte("other"))),
	} {
		_, err := v.Verify(b, a, trustAlice)
		t.Run(name, func(t *testing.T) { refused(t, err, verify.StepSignature, verify.ArtifactMismatch) })
	}
	_, err := v.Verify(b, verify.FromDigest(crypto.SHA512, make([]byte, 64)), trustAlice)
	refused(t, err, verify.StepSignature, verify.DigestAlgorithmMismatch)
	// The right artifact under another digest in the bundle.
	b.Message.Digest = sum256([]byte("other"))
	_, err = v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepSignature, verify.ArtifactMismatch)
	// Without a digest in the bundle, which is allowed.
	b.Message.Hash, b.Message.Digest = 0, nil
	if _, err := v.Verify(b, fromBytes(artifact), trustAlice); err != nil {
		t.Errorf("no digest: %v", err)
	}
	_, err = v.Verify(b, fromBytes([]byte("other")), trustAlice)
	refused(t, err, verify.StepSignature, verify.ArtifactMismatch)
}

func TestAttestationOfAnotherPredicateType(t *testing.T) {
	in := newInstance(t, "example.com")
	v, policy := in.verifier(t), trustAlice
	policy.PredicateTypes = []string{"https://slsa.dev/provenance/v1", "https://spdx.dev/Document"}
	for predicateType, ok := range map[string]bool{
		"https://slsa.dev/provenance/v1": true, "https://spdx.dev/Document": true,
		"https://slsa.dev/provenance/v1/": false, "https://slsa.dev/provenance/v0.2": false, "HTTPS://slsa.dev/provenance/v1": false,
	} {
		b := in.sign(t, artifact, order{payload: statementOf("sha256", sum256(artifact), predicateType)})
		_, err := v.Verify(b, fromBytes(artifact), policy)
		if ok && err != nil {
			t.Errorf("%s: %v", predicateType, err)
		} else if !ok {
			refused(t, err, verify.StepStatement, verify.PredicateTypeMismatch)
		}
	}
	// A plain signature is no attestation.
	_, err := v.Verify(in.sign(t, artifact, order{}), fromBytes(artifact), policy)
	refused(t, err, verify.StepStatement, verify.PredicateTypeMismatch)
	// A statement's bytes, signed under another payload type.
	b := in.sign(t, artifact, order{payload: statementOf("sha256", sum256(artifact), "https://spdx.dev/Document"), logs: []*logServer{}})
	b.Envelope.PayloadType = "text/plain"
	policy.NoLogUnsafe = true
	_, err = v.Verify(b, fromBytes(artifact), policy)
	refused(t, err, verify.StepSignature, verify.SignatureInvalid)
	key := fixedKey(t, "signer")
	b.Envelope.Signatures[0].Sig = testkit.Must(algorithmFor(t, key).Sign(rand.Reader, key, b.Envelope.PAE()))(t)
	b.Timestamps = [][]byte{in.tsas[0].stamp(t, b.Signature(), signedAt, false)}
	_, err = v.Verify(b, fromBytes(artifact), policy)
	refused(t, err, verify.StepStatement, verify.StatementInvalid)
}

// TestKeyTypeIsNotTrusted checks that the algorithm in a log entry must fit the key.
func TestKeyTypeIsNotTrusted(t *testing.T) {
	in := newInstance(t, "example.com")
	v, b := in.verifier(t), in.sign(t, artifact, order{})
	body := string(b.Entries[0].CanonicalizedBody)
	for _, details := range []string{"PKIX_ECDSA_P384_SHA_384", "PKIX_ED25519_PH", "PKIX_RSA_PKCS1V15_2048_SHA256", "PKIX_RSA_PSS_2048_SHA256", "NONE"} {
		changed := strings.Replace(body, sigalg.ECDSAP256SHA256, details, 1)
		b.Entries = []rekor.Entry{in.logs[0].alone(t, rekor.KindHashedRekord, rekor.VersionHashedRekord, []byte(changed))}
		_, err := v.Verify(b, fromBytes(artifact), trustAlice)
		refused(t, err, verify.StepSignature, verify.LogEntryMismatch)
	}
}

func FuzzVerify(f *testing.F) {
	in := newInstance(f, "example.com")
	v := in.verifier(f)
	policy := trustAlice
	policy.Keys = []crypto.PublicKey{fixedKey(f, "signer").Public()}
	for _, o := range []order{{}, {keyed: true}, {payload: statementOf("sha256", sum256(artifact), "p")}, {logs: in.logs, tsas: in.tsas}} {
		f.Add(testkit.Must(in.sign(f, artifact, o).Marshal())(f))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := bundle.Parse(raw)
		if err != nil {
			return
		}
		r, err := v.Verify(b, fromBytes(artifact), policy)
		if err != nil {
			var refusal *verify.Error
			if !errors.As(err, &refusal) || refusal.Step.String() == "" || refusal.Code.Meaning() == "" {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if r.Identity != alice && r.Certificate != nil || len(r.Times) == 0 || len(r.Entries) == 0 || r.Key == nil || len(r.Digest) == 0 {
			t.Fatalf("accepted as %+v", r)
		}
	})
}
