// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// TestEntryOfEachKindIsTheBundles checks for each kind of entry that it is refused unless its
// content, signature and certificate are all equal to the bundle's, even if the log has it.
func TestEntryOfEachKindIsTheBundles(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	whole := func(*rekor.Entry) {}
	for _, kind := range []struct {
		name     string
		envelope bool
		entry    func(testing.TB, *instance, *bundle.Bundle, rekor.Verifier) rekor.Entry
	}{
		{"hashedrekord 0.0.1", false, v1("hashedrekord", "0.0.1", whole)},
		{"hashedrekord 0.0.2", false, hashedOf},
		{"hashedrekord 0.0.2 over the PAE", true, hashedOf},
		{"dsse 0.0.1", true, v1("dsse", "0.0.1", whole)},
		{"dsse 0.0.2", true, v2DSSE},
		{"intoto 0.0.2", true, v1("intoto", "0.0.2", whole)},
	} {
		o := order{logs: []*logServer{}}
		another := order{logs: []*logServer{}, key: testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)}
		if kind.envelope {
			o.payload = statementOf("sha256", sum256(artifact), "p")
			another.payload = statementOf("sha256", sum256([]byte("other")), "p")
		}
		mine, other := in.sign(t, artifact, o), in.sign(t, []byte("other"), another)
		for shared := range 8 {
			t.Run(fmt.Sprintf("%s, content: %v, signature: %v, certificate: %v", kind.name, shared&1 != 0, shared&2 != 0, shared&4 != 0), func(t *testing.T) {
				logged, signer := mixed(mine, other, shared), other.Certificates[0]
				if shared&4 != 0 {
					signer = mine.Certificates[0]
				}
				b := *mine
				b.Entries = []rekor.Entry{kind.entry(t, in, logged, rekor.Verifier{Certificate: signer, KeyDetails: sigalg.ECDSAP256SHA256})}
				_, err := v.Verify(&b, fromBytes(artifact), trustAlice)
				if shared == 7 && err != nil {
					t.Fatalf("its own: %v", err)
				} else if shared != 7 {
					refused(t, err, verify.StepLog, verify.LogEntryMismatch)
				}
			})
		}
	}
}

// mixed returns a bundle with the content and the signature each from mine or other.
func mixed(mine, other *bundle.Bundle, shared int) *bundle.Bundle {
	content, signature := other, other.Signature()
	if shared&1 != 0 {
		content = mine
	}
	if shared&2 != 0 {
		signature = mine.Signature()
	}
	b := *content
	if e := content.Envelope; e != nil {
		b.Envelope = &dsse.Envelope{PayloadType: e.PayloadType, Payload: e.Payload, Signatures: []dsse.Signature{{Sig: signature}}}
	} else {
		b.Message = &bundle.MessageSignature{Hash: content.Message.Hash, Digest: content.Message.Digest, Signature: signature}
	}
	return &b
}

// hashedOf returns a hashedrekord with the bundle's values, unchecked. No log would accept it.
func hashedOf(t testing.TB, in *instance, b *bundle.Bundle, signer rekor.Verifier) rekor.Entry {
	t.Helper()
	h := rekor.HashedRekord{Signature: b.Signature(), Verifier: signer}
	if h.Digest = sum256(nil); b.Envelope != nil {
		h.Digest = sum256(b.Envelope.PAE())
	} else {
		h.Digest = b.Message.Digest
	}
	return in.hashed(t, h)
}

// TestEntryOfTheOtherContent checks that the entry of an envelope is refused for a message, and
// vice versa.
func TestEntryOfTheOtherContent(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	payload := statementOf("sha256", sum256(artifact), "p")
	message, envelope := in.sign(t, payload, order{}), in.sign(t, artifact, order{payload: payload})
	signer := func(b *bundle.Bundle) rekor.Verifier {
		return rekor.Verifier{Certificate: b.Certificates[0], KeyDetails: sigalg.ECDSAP256SHA256}
	}
	// An envelope that has the message as its payload, with the message's signature.
	posed := *message
	posed.Message, posed.Envelope = nil, &dsse.Envelope{PayloadType: dsse.PayloadTypeInToto, Payload: payload, Signatures: []dsse.Signature{{Sig: message.Signature()}}}
	message.Entries = []rekor.Entry{v2DSSE(t, in, &posed, signer(message))}
	_, err := v.Verify(message, fromBytes(payload), trustAlice)
	refused(t, err, verify.StepLog, verify.LogEntryMismatch)
	posed.Entries = []rekor.Entry{in.hashed(t, rekor.HashedRekord{Digest: sum256(payload), Signature: message.Signature(), Verifier: signer(message)})}
	_, err = v.Verify(&posed, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepLog, verify.LogEntryMismatch)
	// The message is the envelope's encoding. Signature and entry are valid for both, so the
	// content decides whether there is a statement, and which artifact was signed.
	plain := *envelope
	plain.Envelope, plain.Message = nil, &bundle.MessageSignature{Signature: envelope.Signature()}
	if r, err := v.Verify(&plain, fromBytes(envelope.Envelope.PAE()), trustAlice); err != nil || r.Statement != nil {
		t.Errorf("got %+v, %v", r, err)
	}
	_, err = v.Verify(&plain, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepSignature, verify.ArtifactMismatch)
}
