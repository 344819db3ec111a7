// SPDX-License-Identifier: Apache-2.0

package bundle_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
)

// TestPayloadIsProtobufs checks that the payload is decoded as wire/protojson decodes other
// fields, although it is decoded in place.
func TestPayloadIsProtobufs(t *testing.T) {
	const refused = "refused"
	for _, c := range []struct{ old, new, want string }{
		{"e30=", "-_-_", "\xfb\xff\xbf"}, {"e30=", "+/+/", "\xfb\xff\xbf"}, {"e30=", "e30", "{}"},
		{"e30=", `e\u00330=`, "{}"}, {"e30=", "", ""}, {`"e30="`, "null", ""},
		{"e30=", `e3\n0=`, refused}, {"e30=", `e3\n\n\n\n0=`, "{}"}, {"e30=", "e31=", "{}"}, {"e30=", "-/", refused},
		{"e30=", "é30=", refused}, {`"e30="`, `{"payload":"e30="}`, refused}, {`"e30="`, `["e30="]`, refused},
		{`"e30="`, `3`, refused}, {"dsseEnvelope", "dsse_envelope", "{}"},
		{"dsseEnvelope", `dsse\u0045nvelope`, "{}"}, {`"payload":"e30="`, "\"payload\" \n: \t\"e30=\" ", "{}"},
		{`"payload":"e30=",`, "", ""}, {`"payload":"e30="`, `"payload":"e30=","payload":"AAAA"`, refused},
		{`"dsseEnvelope":{`, `"dsseEnvelope":{"signatures":[{"payload":"AAAA"}],`, refused},
		{`"dsseEnvelope":`, `"dsseEnvelope":{"payload":"AAAA"},"dsse_envelope":`, refused},
		{`"dsseEnvelope":`, `"x":{"payload":"AAAA"},"dsseEnvelope":`, refused},
		{`"verificationMaterial":{`, `"verificationMaterial":{"payload":"AAAA",`, refused},
	} {
		text := strings.Replace(attested, c.old, c.new, 1)
		got, err := bundle.Parse([]byte(text))
		if err != nil && c.want != refused || err == nil && string(got.Envelope.Payload) != c.want {
			t.Errorf("%s\ngot %+v, %v, want %q", text, got, err, c.want)
		}
	}
}

// allocated returns the number of bytes that f allocates, including freed ones.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// TestLargePayload checks that a large payload is decoded once and encoded once, without
// further copies.
func TestLargePayload(t *testing.T) {
	const size, slack = 30 << 20, 1 << 20
	attested := strings.Replace(strings.Replace(attested, "bundle+json;version=0.2", "bundle.v0.3+json", 1), `"x509CertificateChain":{"certificates":[{"rawBytes":"MAA="}]}`, `"certificate":{"rawBytes":"MAA="}`, 1)
	raw := []byte(strings.Replace(attested, "e30=", strings.Repeat("AAAA", size/3), 1))
	var b *bundle.Bundle
	var err error
	if n := allocated(func() { b, err = bundle.Parse(raw) }); err != nil || n > size+slack {
		t.Fatalf("%v, %d bytes to read %d", err, n, len(raw))
	}
	var again []byte
	if n := allocated(func() { again, err = b.Marshal() }); err != nil || n > len(raw)+slack {
		t.Fatalf("%v, %d bytes to write %d", err, n, len(raw))
	}
	if cap(again) == len(again) {
		t.Error("no room for the end of a line")
	}
	b.Envelope.Payload = make([]byte, bundle.MaxSize/4*3)
	if _, err := b.Marshal(); !errors.Is(err, bundle.ErrMalformed) {
		t.Errorf("a bundle that Parse would refuse is written: %v", err)
	}
}

// TestMaterial checks that everything but the payload is limited to maxMaterial.
func TestMaterial(t *testing.T) {
	raw := []byte(strings.Replace(keyed, "release", strings.Repeat("r", 32<<20), 1))
	if n := allocated(func() {
		if _, err := bundle.Parse(raw); !errors.Is(err, bundle.ErrMalformed) {
			t.Error(err)
		}
	}); n > 1<<20 {
		t.Errorf("%d bytes to refuse %d", n, len(raw))
	}
}
