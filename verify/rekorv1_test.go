// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// Entries of Rekor v1, built here because hallmark's log does not make them.

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// bodyV1 returns the body of Rekor v1 for the bundle.
func bodyV1(b *bundle.Bundle, kind string) []byte { return bodyV1By(b, kind, pemOf(b.Certificates[0])) }

// bodyV1By returns a body with this certificate or key, in PEM.
func bodyV1By(b *bundle.Bundle, kind string, signer []byte) []byte {
	sig, verifier := b64(b.Signature()), b64(signer)
	switch kind {
	case "hashedrekord":
		return fmt.Appendf(nil, `{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"%x"}},`+
			`"signature":{"content":"%s","publicKey":{"content":"%s"}}}}`, b.Message.Digest, sig, verifier)
	case "dsse":
		return fmt.Appendf(nil, `{"apiVersion":"0.0.1","kind":"dsse","spec":{"envelopeHash":{"algorithm":"sha256","value":"%x"},`+
			`"payloadHash":{"algorithm":"sha256","value":"%x"},"signatures":[{"signature":"%s","verifier":"%s"}]}}`,
			make([]byte, 32), sum256(b.Envelope.Payload), sig, verifier)
	default:
		return fmt.Appendf(nil, `{"apiVersion":"0.0.2","kind":"intoto","spec":{"content":{"envelope":{"payloadType":"application/vnd.in-toto+json",`+
			`"signatures":[{"publicKey":"%s","sig":"%s"}]},"hash":{"algorithm":"sha256","value":"%x"},"payloadHash":{"algorithm":"sha256","value":"%x"}}}}`,
			verifier, b64([]byte(sig)), make([]byte, 32), sum256(b.Envelope.Payload))
	}
}

// promise signs an entry's timestamp.
func (l *logServer) promise(t testing.TB, e *rekor.Entry, at time.Time) {
	t.Helper()
	e.IntegratedTime = at
	payload := fmt.Sprintf(`{"body":"%s","integratedTime":%d,"logID":"%s","logIndex":%d}`,
		b64(e.CanonicalizedBody), at.Unix(), hex.EncodeToString(e.LogID), e.LogIndex)
	alg := testkit.Must(sigalg.ByName(sigalg.ECDSAP256SHA256))(t)
	e.SignedEntryTimestamp = testkit.Must(alg.Sign(rand.Reader, l.key, []byte(payload)))(t)
}

// entryV1 returns an entry with proof, checkpoint and signed entry timestamp.
func (l *logServer) entryV1(t testing.TB, b *bundle.Bundle, kind, version string) rekor.Entry {
	t.Helper()
	e := l.aloneAs(t, l.origin+" - 1193050959916656506", l.origin, kind, version, bodyV1(b, kind))
	e.LogIndex = 4288993 // counted over all shards
	l.promise(t, &e, signedAt)
	return e
}

func TestRekorV1(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	for kind, version := range map[string]string{"hashedrekord": "0.0.1", "dsse": "0.0.1", "intoto": "0.0.2"} {
		o := order{logs: []*logServer{}, tsas: []*stamper{}}
		if kind != "hashedrekord" {
			o.payload = statementOf("sha256", sum256(artifact), "p")
		}
		b := in.sign(t, artifact, o)
		b.Entries = []rekor.Entry{in.logs[0].entryV1(t, b, kind, version)}
		r, err := v.Verify(b, fromBytes(artifact), trustAlice)
		if err != nil || !r.Times[0].Time.Equal(signedAt) || r.Times[0].Source() != "https://log1.example.com" {
			t.Errorf("%s: %+v, %v", kind, r, err)
		}
		// The same body for another payload or artifact.
		other := in.sign(t, []byte("other"), o)
		if o.payload != nil {
			other.Envelope.Payload = []byte("{}")
			other.Envelope.Signatures = b.Envelope.Signatures
		} else {
			other.Message.Signature = b.Message.Signature
		}
		other.Certificates = b.Certificates
		b.Entries = []rekor.Entry{in.logs[0].entryV1(t, other, kind, version)}
		_, err = v.Verify(b, fromBytes(artifact), trustAlice)
		refused(t, err, verify.StepLog, verify.LogEntryMismatch)
	}
}

// TestRekorV1Promises checks that a signed entry timestamp is enough for v0.1, that later
// bundles need a proof, and that a proof must always verify.
func TestRekorV1Promises(t *testing.T) {
	in := newInstance(t, "example.com")
	v, l := in.verifier(t), in.logs[0]
	b := in.sign(t, artifact, order{logs: []*logServer{}, tsas: []*stamper{}})
	for name, c := range map[string]struct {
		version bundle.Version
		spoil   func(*rekor.Entry)
		step    verify.Step
		code    verify.Code
	}{
		"promise alone, v0.1":        {bundle.V01, func(e *rekor.Entry) { e.Proof = nil }, 0, ""},
		"promise alone, v0.2":        {bundle.V02, func(e *rekor.Entry) { e.Proof = nil }, verify.StepLog, verify.LogProofInvalid},
		"no checkpoint, v0.1":        {bundle.V01, func(e *rekor.Entry) { e.Proof.Checkpoint = nil }, 0, ""},
		"no checkpoint, v0.2":        {bundle.V02, func(e *rekor.Entry) { e.Proof.Checkpoint = nil }, verify.StepLog, verify.CheckpointInvalid},
		"no checkpoint, wrong proof": {bundle.V01, func(e *rekor.Entry) { e.Proof.Checkpoint = nil; e.Proof.Root[0] ^= 1 }, verify.StepLog, verify.LogProofInvalid},
		"wrong root":                 {bundle.V03, func(e *rekor.Entry) { e.Proof.Root[0] ^= 1 }, verify.StepLog, verify.CheckpointInvalid},
		"wrong size":                 {bundle.V03, func(e *rekor.Entry) { e.Proof.Size++ }, verify.StepLog, verify.CheckpointInvalid},
		"wrong promise":              {bundle.V03, func(e *rekor.Entry) { e.SignedEntryTimestamp[8] ^= 1 }, verify.StepTimes, verify.LogPromiseInvalid},
		"other index":                {bundle.V03, func(e *rekor.Entry) { e.LogIndex++ }, verify.StepTimes, verify.LogPromiseInvalid},
		"other time":                 {bundle.V03, func(e *rekor.Entry) { e.IntegratedTime = e.IntegratedTime.Add(time.Second) }, verify.StepTimes, verify.LogPromiseInvalid},
		"time before the log":        {bundle.V03, func(e *rekor.Entry) { l.promise(t, e, signedAt.AddDate(-1, 0, 0)) }, verify.StepTimes, verify.LogUnknown},
		"time after the certificate": {bundle.V03, func(e *rekor.Entry) { l.promise(t, e, signedAt.Add(time.Hour)) }, verify.StepChain, verify.CertificateExpired},
		// The time is a mere claim if it is not signed.
		"no promise": {bundle.V03, func(e *rekor.Entry) { e.SignedEntryTimestamp = nil }, verify.StepTimes, verify.TimestampMissing},
		// A log may be known by another name than its address.
		"other host name": {bundle.V03, func(e *rekor.Entry) {
			e.Proof.Checkpoint = l.aloneAs(t, "rekor-server-0 - 7", "rekor-server-0", "", "", e.CanonicalizedBody).Proof.Checkpoint
		}, 0, ""},
		"other name on the line": {bundle.V03, func(e *rekor.Entry) {
			e.Proof.Checkpoint = l.aloneAs(t, "rekor-server-0 - 7", "rekor-server-1", "", "", e.CanonicalizedBody).Proof.Checkpoint
		}, verify.StepLog, verify.CheckpointInvalid},
		"no name": {bundle.V03, func(e *rekor.Entry) { e.Proof.Checkpoint = []byte(" \n") }, verify.StepLog, verify.CheckpointInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			e := l.entryV1(t, b, "hashedrekord", "0.0.1")
			c.spoil(&e)
			b.Version, b.Entries = c.version, []rekor.Entry{e}
			_, err := v.Verify(b, fromBytes(artifact), trustAlice)
			if c.code != "" {
				refused(t, err, c.step, c.code)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRekorV2HasNoTime checks that the time in an entry of Rekor v2 is ignored, with or without
// a signed entry timestamp.
func TestRekorV2HasNoTime(t *testing.T) {
	in := newInstance(t, "example.com")
	v, b := in.verifier(t), in.sign(t, artifact, order{tsas: []*stamper{}})
	in.logs[0].promise(t, &b.Entries[0], signedAt)
	_, err := v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepTimes, verify.TimestampMissing)
	b.Timestamps = [][]byte{in.tsas[0].stamp(t, b.Signature(), signedAt, false)}
	b.Entries[0].Proof, b.Version = nil, bundle.V01
	_, err = v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepLog, verify.LogProofInvalid)
}

func TestRekorV2Refusals(t *testing.T) {
	in, foreign := newInstance(t, "example.com"), newInstance(t, "example.net")
	v, l := in.verifier(t), in.logs[0]
	for name, c := range map[string]struct {
		spoil func(*rekor.Entry)
		code  verify.Code
	}{
		"other kind":     {func(e *rekor.Entry) { e.Kind = "dsse" }, verify.LogEntryMismatch},
		"other version":  {func(e *rekor.Entry) { e.Version = "0.0.1" }, verify.LogEntryMismatch},
		"other index":    {func(e *rekor.Entry) { e.LogIndex++ }, verify.LogProofInvalid},
		"no checkpoint":  {func(e *rekor.Entry) { e.Proof.Checkpoint = nil }, verify.CheckpointInvalid},
		"wrong root":     {func(e *rekor.Entry) { e.Proof.Root[0] ^= 1 }, verify.CheckpointInvalid},
		"wrong size":     {func(e *rekor.Entry) { e.Proof.Size++ }, verify.CheckpointInvalid},
		"wrong proof":    {func(e *rekor.Entry) { e.Proof.Hashes = append(e.Proof.Hashes, e.Proof.Root) }, verify.LogProofInvalid},
		"other log's ID": {func(e *rekor.Entry) { e.LogID = in.logs[1].id }, verify.CheckpointInvalid},
		"unknown log":    {func(e *rekor.Entry) { e.LogID = foreign.logs[0].id }, verify.LogUnknown},
		"other origin": {func(e *rekor.Entry) {
			*e = l.aloneAs(t, "log2.example.com", l.origin, e.Kind, e.Version, e.CanonicalizedBody)
		}, verify.CheckpointInvalid},
		"other name on the line": {func(e *rekor.Entry) {
			*e = l.aloneAs(t, l.origin, "log2.example.com", e.Kind, e.Version, e.CanonicalizedBody)
		}, verify.CheckpointInvalid},
		"other log's key": {func(e *rekor.Entry) {
			evil := *foreign.logs[0]
			evil.id, evil.origin = l.id, l.origin
			*e = evil.alone(t, e.Kind, e.Version, e.CanonicalizedBody)
		}, verify.CheckpointInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			b := in.sign(t, artifact, order{})
			c.spoil(&b.Entries[0])
			_, err := v.Verify(b, fromBytes(artifact), trustAlice)
			refused(t, err, verify.StepLog, c.code)
		})
	}
	// An additional entry of another instance's log is ignored.
	b := in.sign(t, artifact, order{logs: []*logServer{in.logs[0], foreign.logs[0]}})
	if r, err := v.Verify(b, fromBytes(artifact), trustAlice); err != nil || len(r.Entries) != 1 {
		t.Errorf("beside another instance's: %+v, %v", r, err)
	}
	// A log whose validity had ended.
	root := *in.root
	root.Logs = []trust.Log{in.root.Logs[0]}
	root.Logs[0].Validity.End = signedAt.Add(-time.Second)
	_, err := testkit.Must(verify.New(&root))(t).Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepLog, verify.LogUnknown)
	// A log without a base URL can't have checkpoints.
	root.Logs[0].Validity.End, root.Logs[0].BaseURL = time.Time{}, ""
	_, err = testkit.Must(verify.New(&root))(t).Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepLog, verify.CheckpointInvalid)
}

// TestOlderAlgorithm checks the deprecated combination of a 384-bit key with SHA-256, which is
// accepted if a log has verified it.
func TestOlderAlgorithm(t *testing.T) {
	in := newInstance(t, "example.com")
	key := testkit.Must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t)
	b := in.sign(t, artifact, order{key: key, logs: []*logServer{}, tsas: []*stamper{}})
	b.Message.Hash, b.Message.Digest = crypto.SHA256, sum256(artifact)
	b.Message.Signature = testkit.Must(ecdsa.SignASN1(rand.Reader, key, b.Message.Digest))(t)
	b.Entries = []rekor.Entry{in.logs[0].entryV1(t, b, "hashedrekord", "0.0.1")}
	v := in.verifier(t)
	for _, a := range []verify.Artifact{fromBytes(artifact), verify.FromDigest(crypto.SHA256, sum256(artifact))} {
		if r, err := v.Verify(b, a, trustAlice); err != nil || r.Hash != crypto.SHA256 {
			t.Errorf("got %+v, %v", r, err)
		}
	}
	// Without a log entry, the key must use its default hash.
	policy := trustAlice
	policy.NoLogUnsafe = true
	b.Timestamps, b.Entries = [][]byte{in.tsas[0].stamp(t, b.Signature(), signedAt, false)}, nil
	_, err := v.Verify(b, fromBytes(artifact), policy)
	refused(t, err, verify.StepSignature, verify.SignatureInvalid)
}
