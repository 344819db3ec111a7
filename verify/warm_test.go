// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"crypto"
	"sync"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/verify"
)

// spoilers returns mutations that each change one signature of a bundle with a certificate.
// The last bit of a DER signature belongs to s.
func spoilers() map[string]func(*bundle.Bundle) {
	flipped := func(raw []byte) []byte {
		raw = bytes.Clone(raw)
		raw[len(raw)-1] ^= 1
		return raw
	}
	return map[string]func(*bundle.Bundle){
		"certificate": func(b *bundle.Bundle) { b.Certificates = [][]byte{flipped(b.Certificates[0])} },
		"message":     func(b *bundle.Bundle) { b.Message.Signature = flipped(b.Message.Signature) },
		"timestamp":   func(b *bundle.Bundle) { b.Timestamps[0] = flipped(b.Timestamps[0]) },
		"checkpoint": func(b *bundle.Bundle) {
			lines := bytes.Clone(b.Entries[0].Proof.Checkpoint)
			at := bytes.LastIndex(lines, []byte(" ")) + 20
			lines[at] ^= 1
			b.Entries[0].Proof.Checkpoint = lines
		},
	}
}

// TestWarmVerifier checks that concurrent calls of a used verifier return the same results as
// the first call.
func TestWarmVerifier(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	good := testkit.Must(in.sign(t, artifact, order{}).Marshal())(t)
	keyed := in.sign(t, artifact, order{keyed: true})
	key := fixedKey(t, "signer").Public()
	trusted := verify.Requirements{Keys: []crypto.PublicKey{key}}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 12 {
				if _, err := v.Verify(testkit.Must(bundle.Parse(good))(t), fromBytes(artifact), trustAlice); err != nil {
					t.Errorf("certificate: %v", err)
				}
				if r, err := v.Verify(keyed, fromBytes(artifact), trusted); err != nil || !sameKey(r.Key, key) {
					t.Errorf("key: %+v, %v", r, err)
				}
			}
		})
	}
	group.Wait()
	for name, spoil := range spoilers() {
		b := testkit.Must(bundle.Parse(good))(t)
		spoil(b)
		if _, err := v.Verify(b, fromBytes(artifact), trustAlice); err == nil {
			t.Errorf("%s: a spoilt signature is accepted", name)
		}
	}
	other := verify.Requirements{Keys: []crypto.PublicKey{in.ct.Public()}}
	_, err := v.Verify(keyed, fromBytes(artifact), other)
	refused(t, err, verify.StepLog, verify.KeyMismatch)
}

// BenchmarkWarm measures the parsing and verification of bundles on all processors.
func BenchmarkWarm(b *testing.B) {
	in := newInstance(b, "example.com")
	v := in.verifier(b)
	raw := testkit.Must(in.sign(b, artifact, order{}).Marshal())(b)
	digest := sum256(artifact)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			parsed, err := bundle.Parse(raw)
			if err == nil {
				_, err = v.Verify(parsed, verify.FromDigest(crypto.SHA256, digest), trustAlice)
			}
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "bundles/s")
}
