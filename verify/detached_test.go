// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// Signatures in the form of cosign 1 and 2, verified by the same steps.

// keptEntry returns an entry of Rekor v1 in the form that cosign stores. answeredEntry returns
// it in the form of the log's response.
func keptEntry(e rekor.Entry) []byte {
	return fmt.Appendf(nil, `{"SignedEntryTimestamp":"%s","Payload":{"body":"%s","integratedTime":%d,"logIndex":%d,"logID":"%x"}}`,
		b64(e.SignedEntryTimestamp), b64(e.CanonicalizedBody), e.IntegratedTime.Unix(), e.LogIndex, e.LogID)
}

func answeredEntry(t testing.TB, e rekor.Entry) []byte {
	t.Helper()
	hashes := []string{}
	for _, h := range e.Proof.Hashes {
		hashes = append(hashes, fmt.Sprintf("%x", h[:]))
	}
	leaf := tile.LeafHash(e.CanonicalizedBody)
	return testkit.Must(json.Marshal(map[string]any{fmt.Sprintf("%x", leaf[:]): map[string]any{
		"body": e.CanonicalizedBody, "integratedTime": e.IntegratedTime.Unix(), "logID": fmt.Sprintf("%x", e.LogID), "logIndex": e.LogIndex,
		"verification": map[string]any{"signedEntryTimestamp": e.SignedEntryTimestamp, "inclusionProof": map[string]any{
			"checkpoint": string(e.Proof.Checkpoint), "hashes": hashes, "logIndex": e.Proof.Index,
			"rootHash": fmt.Sprintf("%x", e.Proof.Root[:]), "treeSize": e.Proof.Size,
		}},
	}}))(t)
}

// parts returns the bundle as separate files.
func parts(t testing.TB, b *bundle.Bundle) bundle.Detached {
	t.Helper()
	d := bundle.Detached{Signature: []byte(b64(b.Signature())), LogEntry: answeredEntry(t, b.Entries[0])}
	if len(b.Certificates) > 0 {
		d.Certificate = []byte(b64(pemOf(b.Certificates[0])))
		for _, der := range b.Certificates[1:] {
			d.Chain = append(d.Chain, pemOf(der)...)
		}
	}
	if e := b.Envelope; e != nil {
		d.Signature = fmt.Appendf(nil, `{"payloadType":"%s","payload":"%s","signatures":[{"keyid":"","sig":"%s"}]}`,
			e.PayloadType, b64(e.Payload), b64(b.Signature()))
	}
	return d
}

// oneFile returns the single-file bundle of cosign 1 and 2 with these parts.
func oneFile(t testing.TB, d bundle.Detached, e rekor.Entry) *bundle.Bundle {
	t.Helper()
	signature := string(d.Signature)
	if strings.HasPrefix(signature, "{") {
		signature = b64(d.Signature)
	}
	raw := fmt.Appendf(nil, `{"base64Signature":"%s","cert":"%s","rekorBundle":%s}`, signature, d.Certificate, keptEntry(e))
	return testkit.Must(bundle.Parse(raw))(t)
}

// legacyBundle returns a bundle whose parts cosign 1 or 2 could have written.
func (in *instance) legacyBundle(t testing.TB, o order, content []byte) *bundle.Bundle {
	t.Helper()
	o.logs, o.tsas = []*logServer{}, []*stamper{}
	b := in.sign(t, content, o)
	kind := "hashedrekord"
	if b.Envelope != nil {
		kind = "dsse"
	}
	signer := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: testkit.Must(x509.MarshalPKIXPublicKey(fixedKey(t, "signer").Public()))(t)})
	if !o.keyed {
		signer = pemOf(b.Certificates[0])
	}
	l := in.logs[0]
	e := l.aloneAs(t, l.origin+" - 7", l.origin, kind, "0.0.1", bodyV1By(b, kind, signer))
	l.promise(t, &e, signedAt)
	b.Entries = []rekor.Entry{e}
	return b
}

func TestDetached(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	for name, o := range map[string]order{
		"certificate": {}, "chain": {ca: &in.intermediate}, "key": {keyed: true},
		"envelope": {payload: statementOf("sha256", sum256(artifact), "p")}, "envelope, key": {payload: statementOf("sha256", sum256(artifact), "p"), keyed: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := in.legacyBundle(t, o, artifact)
			policy := trustAlice
			if o.keyed {
				policy = verify.Requirements{Keys: trustSigner(t)}
			}
			if o.ca != nil {
				b.Certificates = append(b.Certificates, o.ca.cert.Raw, in.ca.cert.Raw)
			}
			d := parts(t, b)
			judged(t, v, testkit.Must(bundle.FromDetached(d))(t), policy)
			d.LogEntry = keptEntry(b.Entries[0])
			d.Timestamp = fmt.Appendf(nil, `{"SignedRFC3161Timestamp":"%s"}`, b64(in.tsas[0].stamp(t, b.Signature(), signedAt, true)))
			whole := testkit.Must(bundle.FromDetached(d))(t)
			judged(t, v, whole, policy)
			policy.TimestampThreshold = 2
			judged(t, v, whole, policy)
			if policy.TimestampThreshold = 1; o.ca == nil { // the single-file form can't hold a chain
				judged(t, v, oneFile(t, d, b.Entries[0]), policy)
			}
		})
	}
}

// TestDetachedSwapped checks that a part of another signature is refused.
func TestDetachedSwapped(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	for name, o := range map[string]order{"message": {}, "envelope": {payload: statementOf("sha256", sum256(artifact), "p")}} {
		other := o
		if o.payload != nil {
			other.payload = statementOf("sha256", sum256([]byte("other")), "p")
		}
		b, c := in.legacyBundle(t, o, artifact), in.legacyBundle(t, other, []byte("other"))
		mine, theirs := parts(t, b), parts(t, c)
		stamp := func(b *bundle.Bundle) []byte { return in.tsas[0].stamp(t, b.Signature(), signedAt, true) }
		mine.Timestamp, theirs.Timestamp = stamp(b), stamp(c)
		for part, s := range map[string]struct {
			swap func(*bundle.Detached)
			step verify.Step
			code verify.Code
		}{
			"signature":   {func(d *bundle.Detached) { d.Signature = theirs.Signature }, verify.StepTimes, verify.TimestampInvalid},
			"certificate": {func(d *bundle.Detached) { d.Certificate = theirs.Certificate }, verify.StepLog, verify.LogEntryMismatch},
			"log entry":   {func(d *bundle.Detached) { d.LogEntry = theirs.LogEntry }, verify.StepLog, verify.LogEntryMismatch},
			"timestamp":   {func(d *bundle.Detached) { d.Timestamp = theirs.Timestamp }, verify.StepTimes, verify.TimestampInvalid},
			"signature alone": {func(d *bundle.Detached) {
				d.Signature, d.Timestamp = theirs.Signature, nil
			}, verify.StepLog, verify.LogEntryMismatch},
			"no log entry":   {func(d *bundle.Detached) { d.LogEntry = nil }, verify.StepLog, verify.LogMissing},
			"no certificate": {func(d *bundle.Detached) { d.Certificate = nil }, verify.StepIdentity, verify.KeyMismatch},
			"a bare key": {func(d *bundle.Detached) {
				d.Certificate = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: testkit.Must(x509.MarshalPKIXPublicKey(fixedKey(t, "signer").Public()))(t)})
			}, verify.StepIdentity, verify.KeyMismatch},
			"log entry a second later": {func(d *bundle.Detached) {
				e := b.Entries[0]
				e.IntegratedTime = e.IntegratedTime.Add(time.Second)
				d.LogEntry = keptEntry(e)
			}, verify.StepTimes, verify.LogPromiseInvalid},
		} {
			t.Run(name+", "+part, func(t *testing.T) {
				d := mine
				s.swap(&d)
				_, err := v.Verify(testkit.Must(bundle.FromDetached(d))(t), fromBytes(artifact), trustAlice)
				refused(t, err, s.step, s.code)
			})
		}
	}
}

// TestDetachedConformance checks a bundle of the public instance in the form of cosign's files,
// and with each part changed.
func TestDetachedConformance(t *testing.T) {
	suiteCases(t) // skips without the suite
	c := readCase(t, filepath.Join(suite, "bundle-verify", "happy-path-v0.1"))
	v := testkit.Must(verify.New(testkit.Must(trust.Parse(c.root))(t)))(t)
	b := testkit.Must(bundle.Parse(c.raw))(t)
	d := parts(t, b)
	for name, read := range map[string]*bundle.Bundle{"files": testkit.Must(bundle.FromDetached(d))(t), "one file": oneFile(t, d, b.Entries[0])} {
		if _, err := v.Verify(read, fromBytes(c.artifact), c.policy); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := v.Verify(read, fromBytes(append([]byte("x"), c.artifact...)), c.policy)
		refused(t, err, verify.StepSignature, verify.ArtifactMismatch)
		_, err = v.Verify(read, fromBytes(c.artifact), verify.Requirements{Keys: trustSigner(t)})
		refused(t, err, verify.StepIdentity, verify.IdentityMismatch)
		spoiled := *read.Message
		spoiled.Signature = append([]byte{}, spoiled.Signature...)
		spoiled.Signature[len(spoiled.Signature)-1] ^= 1
		read.Message = &spoiled
		_, err = v.Verify(read, fromBytes(c.artifact), c.policy)
		refused(t, err, verify.StepLog, verify.LogEntryMismatch)
	}
}
