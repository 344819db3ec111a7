// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/verify"
)

// harmless returns the bundle without the members that don't affect the result:
//
//   - publicKey.hint names a key, but the policy's keys decide.
//   - signatures[].keyid does the same in an envelope (DSSE: "keyid … is not
//     authenticated").
//   - integratedTime of an entry of Rekor v2, or of one without a signed entry timestamp, is
//     not used.
func harmless(b *bundle.Bundle) *bundle.Bundle {
	c := *b
	c.KeyHint = ""
	if c.Envelope != nil {
		e := *c.Envelope
		e.Signatures = slices.Clone(e.Signatures)
		e.Signatures[0].KeyID = ""
		c.Envelope = &e
	}
	c.Entries = slices.Clone(c.Entries)
	for i := range c.Entries {
		if len(c.Entries[i].SignedEntryTimestamp) == 0 || c.Entries[i].Version == "0.0.2" {
			c.Entries[i].IntegratedTime = time.Time{}
		}
	}
	return &c
}

// A flipCase is a bundle whose bytes are flipped, one at a time.
type flipCase struct {
	b      *bundle.Bundle
	policy verify.Requirements
}

func flipCases(t testing.TB, in *instance) map[string]flipCase {
	keys := verify.Requirements{Keys: trustSigner(t)}
	payload := statementOf("sha256", sum256(artifact), "p")
	promised := in.sign(t, artifact, order{logs: []*logServer{}, tsas: []*stamper{}})
	promised.Entries = append(promised.Entries, in.logs[0].entryV1(t, promised, "hashedrekord", "0.0.1"))
	return map[string]flipCase{
		"message":       {in.sign(t, artifact, order{}), trustAlice},
		"envelope":      {in.sign(t, artifact, order{payload: payload}), trustAlice},
		"key":           {in.sign(t, artifact, order{keyed: true}), keys},
		"envelope, key": {in.sign(t, artifact, order{keyed: true, payload: payload}), keys},
		"Rekor v1":      {promised, trustAlice},
	}
}

// flipped parses and verifies mangled bytes. It checks that they are refused with a code, or
// are accepted and equal to the bundle except for harmless members.
func flipped(t *testing.T, v *verify.Verifier, c flipCase, raw []byte, what string) (accepted bool) {
	t.Helper()
	b, err := bundle.Parse(raw)
	if err != nil {
		if !errors.Is(err, bundle.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", what, err)
		}
		return false
	}
	r, err := v.Verify(b, fromBytes(artifact), c.policy)
	if err != nil {
		if refusal := new(verify.Error); !errors.As(err, &refusal) || refusal.Code.Meaning() == "" {
			t.Errorf("%s: got %v, want a code", what, err)
		}
		return false
	}
	if !reflect.DeepEqual(harmless(b), harmless(c.b)) {
		t.Errorf("%s: accepted, although it is another bundle", what)
	}
	if r.Identity != alice && r.Identity != (identity.Identity{}) || !bytes.Equal(r.Digest, sum256(artifact)) || !r.Times[0].Time.Equal(signedAt) {
		t.Errorf("%s: accepted as %+v", what, r)
	}
	return true
}

// TestEveryByteFlipped flips each byte of a bundle's JSON in several ways: the lowest bit, the
// case of letters, and all bits.
func TestEveryByteFlipped(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	masks := []byte{0x01, 0x20, 0xff}
	for name, c := range flipCases(t, in) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := testkit.Must(c.b.Marshal())(t)
			// Parsing normalizes the bundle for the comparison.
			c.b = testkit.Must(bundle.Parse(raw))(t)
			if !flipped(t, v, c, raw, "nothing flipped") {
				t.Fatal("refused as it is")
			}
			same, flips := 0, 0
			for i := range raw {
				for n, mask := range masks {
					if n != i%len(masks) && !testkit.Nightly() {
						continue // another mask for the next byte
					}
					flips++
					mangled := bytes.Clone(raw)
					mangled[i] ^= mask
					if flipped(t, v, c, mangled, fmt.Sprintf("byte %d (…%s…), mask %#x", i, raw[max(i-8, 0):min(i+8, len(raw))], mask)) {
						same++
					}
				}
			}
			t.Logf("%d of %d flips leave the same bundle", same, flips)
		})
	}
}

// blobs finds the base64 in a bundle's JSON.
func blobs(value any, path string, visit func(path string, raw []byte, set func(string))) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if text, ok := member.(string); ok {
				if raw, err := base64.StdEncoding.Strict().DecodeString(text); err == nil && len(raw) > 8 {
					visit(path+"."+name, raw, func(s string) { v[name] = s })
				}
				continue
			}
			blobs(member, path+"."+name, visit)
		}
	case []any:
		for i, member := range v {
			if text, ok := member.(string); ok {
				if raw, err := base64.StdEncoding.Strict().DecodeString(text); err == nil && len(raw) > 8 {
					visit(fmt.Sprintf("%s[%d]", path, i), raw, func(s string) { v[i] = s })
				}
				continue
			}
			blobs(member, fmt.Sprintf("%s[%d]", path, i), visit)
		}
	}
}

// TestEveryByteOfEveryBlobFlipped flips each byte of each base64 value, and truncates, extends
// and empties each value. All of these must be refused.
func TestEveryByteOfEveryBlobFlipped(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	for name, c := range flipCases(t, in) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := testkit.Must(c.b.Marshal())(t)
			c.b = testkit.Must(bundle.Parse(raw))(t)
			var tree any
			if err := json.Unmarshal(raw, &tree); err != nil {
				t.Fatal(err)
			}
			seen := 0
			blobs(tree, "", func(path string, blob []byte, set func(string)) {
				seen++
				judge := func(mangled []byte, what string) {
					set(b64(mangled))
					if flipped(t, v, c, testkit.Must(json.Marshal(tree))(t), what) {
						t.Errorf("%s: accepted", what)
					}
				}
				for i := range blob {
					if i%3 != 0 && !testkit.Nightly() {
						continue // TestEveryByteFlipped flips its base64
					}
					mangled, mask := bytes.Clone(blob), byte(1)<<(i%8)
					mangled[i] ^= mask
					judge(mangled, fmt.Sprintf("%s, byte %d of %d, mask %#x", path, i, len(blob), mask))
				}
				judge(blob[:len(blob)-1], path+", cut")
				judge(append(bytes.Clone(blob), 0), path+", a zero behind")
				judge(append([]byte{0}, blob...), path+", a zero before")
				judge(nil, path+", empty")
				set(b64(blob))
			})
			if seen < 5 {
				t.Errorf("%d blobs", seen)
			}
		})
	}
}
