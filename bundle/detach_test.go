// SPDX-License-Identifier: Apache-2.0

package bundle_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/wire/dsse"
)

// TestDetach checks that FromDetached restores a detached bundle, except its log entry.
func TestDetach(t *testing.T) {
	chain := [][]byte{[]byte("leaf"), []byte("above")}
	for name, b := range map[string]*bundle.Bundle{
		"a message":      {Certificates: chain, Timestamps: [][]byte{[]byte("\x30\x00"), []byte("second")}, Message: &bundle.MessageSignature{Signature: []byte("signature")}},
		"a key":          {KeyHint: "hint", Message: &bundle.MessageSignature{Signature: []byte("signature")}},
		"an attestation": {Certificates: chain[:1], Envelope: &dsse.Envelope{PayloadType: "a/b", Payload: []byte("{}"), Signatures: []dsse.Signature{{Sig: []byte("signature")}}}},
	} {
		d, err := b.Detach()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := bundle.FromDetached(d)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(again.Signature(), b.Signature()) || len(again.Certificates) != len(b.Certificates) || len(again.Timestamps) != min(len(b.Timestamps), 1) || len(again.Entries) != 0 {
			t.Errorf("%s: %+v", name, again)
		}
		for i, der := range again.Certificates {
			if !bytes.Equal(der, b.Certificates[i]) {
				t.Errorf("%s: certificate %d differs", name, i)
			}
		}
		if b.Envelope != nil && !bytes.Equal(again.Envelope.Payload, b.Envelope.Payload) {
			t.Errorf("%s: the payload differs", name)
		}
	}
	for _, b := range []bundle.Bundle{{}, {Envelope: &dsse.Envelope{}}} {
		if _, err := b.Detach(); !errors.Is(err, bundle.ErrMalformed) {
			t.Errorf("%+v: %v", b, err)
		}
	}
}
