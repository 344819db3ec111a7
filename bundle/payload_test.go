package bundle_test

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hallmark-sign/hallmark/bundle"
)

// The payload is decoded where it stands, and is what protobuf's decoder, which
// decodes everything else, would have made of it.
func TestPayloadIsProtobufs(t *testing.T) {
	for _, text := range []string{
		strings.Replace(attested, "e30=", "-_-_", 1), strings.Replace(attested, "e30=", "+/+/", 1), strings.Replace(attested, "e30=", "e30", 1),
		strings.Replace(attested, "e30=", `e\u00330=`, 1), strings.Replace(attested, "e30=", "", 1), strings.Replace(attested, `"e30="`, "null", 1),
		strings.Replace(attested, "e30=", `e3\n0=`, 1), strings.Replace(attested, "e30=", "e31=", 1), strings.Replace(attested, "e30=", "-/", 1),
		strings.Replace(attested, "e30=", "é30=", 1), strings.Replace(attested, `"e30="`, `{"payload":"e30="}`, 1), strings.Replace(attested, `"e30="`, `["e30="]`, 1),
		strings.Replace(attested, `"e30="`, `3`, 1), strings.Replace(attested, "dsseEnvelope", "dsse_envelope", 1),
		strings.Replace(attested, "dsseEnvelope", `dsse\u0045nvelope`, 1), strings.Replace(attested, `"payload":"e30="`, "\"payload\" \n: \t\"e30=\" ", 1),
		strings.Replace(attested, `"payload":"e30=",`, "", 1), strings.Replace(attested, `"payload":"e30="`, `"payload":"e30=","payload":"AAAA"`, 1),
		strings.Replace(attested, `"dsseEnvelope":{`, `"dsseEnvelope":{"signatures":[{"payload":"AAAA"}],`, 1),
		strings.Replace(attested, `"dsseEnvelope":`, `"dsseEnvelope":{"payload":"AAAA"},"dsse_envelope":`, 1),
		strings.Replace(attested, `"dsseEnvelope":`, `"x":{"payload":"AAAA"},"dsseEnvelope":`, 1),
		strings.Replace(keyed, `"messageSignature":{`, `"messageSignature":{"payload":"AAAA",`, 1),
	} {
		var pb bundlepb.Bundle
		want := protojson.Unmarshal([]byte(text), &pb)
		got, err := bundle.Parse([]byte(text))
		if (err == nil) != (want == nil) {
			t.Errorf("%s\ngot %v, protobuf says %v", text, err, want)
		} else if err == nil && !bytes.Equal(got.Envelope.Payload, pb.GetDsseEnvelope().GetPayload()) {
			t.Errorf("%s\ngot %q, protobuf has %q", text, got.Envelope.Payload, pb.GetDsseEnvelope().GetPayload())
		}
	}
}

// allocated is how many bytes f allocates, freed or not.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// Megabytes are decoded once and encoded once, and copied nowhere.
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

// All but the payload has the limit that there was for the whole.
func TestMaterial(t *testing.T) {
	raw := []byte(strings.Replace(keyed, "release", strings.Repeat("r", bundle.MaxMaterial), 1))
	if n := allocated(func() {
		if _, err := bundle.Parse(raw); !errors.Is(err, bundle.ErrMalformed) {
			t.Error(err)
		}
	}); n > 1<<20 {
		t.Errorf("%d bytes to refuse %d", n, len(raw))
	}
}
