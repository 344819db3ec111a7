// SPDX-License-Identifier: Apache-2.0

package simplesigning_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/wire/simplesigning"
)

const digest = "c605cc9e1d4f0dd709fd6a7a20bb615eefb73197595cb1a8a9a8505e6d1ad302"

// payload is a payload as cosign 2 writes it.
const payload = `{"critical":{"identity":{"docker-reference":"registry.example.com/app"},"image":{"docker-manifest-digest":"sha256:` + digest +
	`"},"type":"cosign container image signature"},"optional":{"creator":"cosign"}}`

func TestParse(t *testing.T) {
	p, err := simplesigning.Parse([]byte(payload))
	if err != nil || hex.EncodeToString(p.Digest) != digest || p.Reference != "registry.example.com/app" {
		t.Error(p, err)
	}
	for what, raw := range map[string]string{
		"nothing": "", "no object": "[]", "empty": "{}", "trailing data": payload + "{}",
		"another type":     strings.Replace(payload, "cosign container image signature", "atomic container signature", 1),
		"no type":          strings.Replace(payload, `"type"`, `"kind"`, 1),
		"another hash":     strings.Replace(payload, "sha256:", "sha512:", 1),
		"short":            strings.Replace(payload, digest, digest[2:], 1),
		"two digests":      strings.Replace(payload, `"image":{`, `"image":{"docker-manifest-digest":"sha256:`+strings.Repeat("0", 64)+`",`, 1),
		"critical twice":   strings.Replace(payload, `{"critical"`, `{"critical":{},"critical"`, 1),
		"in another case":  strings.Replace(payload, "critical", "Critical", 1),
		"longer than read": payload + strings.Repeat(" ", simplesigning.MaxSize),
	} {
		if _, err := simplesigning.Parse([]byte(raw)); !errors.Is(err, simplesigning.ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(payload))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p, err := simplesigning.Parse(raw); err == nil && len(p.Digest) != 32 {
			t.Errorf("%x", p.Digest)
		}
	})
}

// TestMarshal checks that Marshal writes the bytes that cosign writes.
func TestMarshal(t *testing.T) {
	sum, err := hex.DecodeString(digest)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := simplesigning.Payload{Reference: "registry.example.com/app", Digest: sum}.Marshal()
	if want := strings.Replace(payload, `{"creator":"cosign"}`, "null", 1); err != nil || string(raw) != want {
		t.Errorf("%s, %v, want %s", raw, err, want)
	}
	if p, err := simplesigning.Parse(raw); err != nil || hex.EncodeToString(p.Digest) != digest {
		t.Error(p, err)
	}
	if _, err := (simplesigning.Payload{Digest: sum[1:]}).Marshal(); !errors.Is(err, simplesigning.ErrMalformed) {
		t.Error(err)
	}
}
