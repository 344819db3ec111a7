package bundle_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
)

// keyed is a small bundle with a public key: no certificate, no entry.
const keyed = `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",` +
	`"verificationMaterial":{"publicKey":{"hint":"release"},` +
	`"timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":"MAA="}]}},` +
	`"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"WJG1tSLXOjnv3Bv+QGQ4xPFZdR3JgMmKjGUYgwJZwAE="},"signature":"AQID"}}`

// attested carries an envelope and a certificate.
const attested = `{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.2",` +
	`"verificationMaterial":{"x509CertificateChain":{"certificates":[{"rawBytes":"MAA="}]}},` +
	`"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AQID","keyid":""}]}}`

// The shapes that the specification alone refuses; the suite's other failures
// are for package verify.
var malformed = []string{
	"bundle-empty-certificate-chain_fail", "bundle-malformed-json_fail",
	"bundle-unknown-version_fail", "rekor2-no-inclusion-proof_fail",
}

func conformance(t testing.TB) []string {
	cases, err := filepath.Glob("../../shared/conformance/bundle-verify/*/bundle.sigstore.json")
	if err != nil || len(cases) == 0 {
		t.Skip("../shared/conformance is not here: the suite's bundles are not read")
	}
	return cases
}

func TestConformance(t *testing.T) {
	for _, path := range conformance(t) {
		name := filepath.Base(filepath.Dir(path))
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := bundle.Parse(raw)
		for _, m := range malformed {
			if name == m && !errors.Is(err, bundle.ErrMalformed) {
				t.Errorf("%s: got %v, want ErrMalformed", name, err)
			}
		}
		if err != nil {
			if !strings.HasSuffix(name, "_fail") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if b.Version == bundle.V03 {
			roundTrip(t, name, b)
		}
	}
}

func roundTrip(t *testing.T, name string, b *bundle.Bundle) {
	t.Helper()
	raw, err := b.Marshal()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	again, err := bundle.Parse(raw)
	if err != nil || !reflect.DeepEqual(b, again) {
		t.Errorf("%s: what was written reads as something else: %v", name, err)
	}
}

func TestParseReadsEveryField(t *testing.T) {
	b, err := bundle.Parse([]byte(keyed))
	if err != nil {
		t.Fatal(err)
	}
	if b.KeyHint != "release" || len(b.Timestamps) != 1 || !bytes.Equal(b.Signature(), []byte{1, 2, 3}) || len(b.Message.Digest) != 32 {
		t.Errorf("got %+v", b)
	}
	roundTrip(t, "keyed", b)
	b, err = bundle.Parse([]byte(attested))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Certificates) != 1 || string(b.Envelope.Payload) != "{}" || !bytes.Equal(b.Signature(), []byte{1, 2, 3}) {
		t.Errorf("got %+v", b)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct{ from, old, new string }{
		"trailing data":     {keyed, `"AQID"}}`, `"AQID"}} {}`},
		"duplicate key":     {keyed, `"signature":"AQID"`, `"signature":"AQID","signature":"AQIE"`},
		"duplicate in both": {keyed, `"messageSignature"`, `"dsseEnvelope":{},"messageSignature"`},
		"unknown field":     {keyed, `"signature":"AQID"`, `"signature":"AQID","extra":1`},
		"bad base64":        {keyed, `"AQID"`, `"AQ!D"`},
		"empty signature":   {keyed, `"AQID"`, `""`},
		"short digest":      {keyed, `"WJG1tSLX`, `"`},
		"hash not computed": {keyed, `SHA2_256`, `SHA3_256`},
		"empty timestamp":   {keyed, `"MAA="`, `""`},
		"no key":            {keyed, `"publicKey":{"hint":"release"},`, ``},
		"two keys":          {keyed, `"publicKey":{"hint":"release"}`, `"publicKey":{},"certificate":{"rawBytes":"MAA="}`},
		"chain in v0.3":     {attested, `bundle+json;version=0.2`, `bundle.v0.3+json`},
		"empty certificate": {attested, `"MAA="`, `""`},
		"no certificate":    {attested, `[{"rawBytes":"MAA="}]`, `[]`},
		"two signatures":    {attested, `[{"sig":"AQID","keyid":""}]`, `[{"sig":"AQID"},{"sig":"AQID"}]`},
		"no signatures":     {attested, `[{"sig":"AQID","keyid":""}]`, `[]`},
		"other version":     {keyed, `v0.3+json`, `v0.4+json`},
		"too many times":    {keyed, `[{"signedTimestamp":"MAA="}]`, `[` + strings.Repeat(`{"signedTimestamp":"MAA="},`, 32) + `{"signedTimestamp":"MAA="}]`},
	} {
		text := strings.Replace(c.from, c.old, c.new, 1)
		if text == c.from {
			t.Fatalf("%s: the edit changes nothing", name)
		}
		if _, err := bundle.Parse([]byte(text)); !errors.Is(err, bundle.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
	if _, err := bundle.Parse([]byte(strings.Replace(keyed, "v0.3", "v9.9", 1))); !errors.Is(err, bundle.ErrVersion) {
		t.Errorf("another version: got %v, want ErrVersion", err)
	}
	if _, err := bundle.Parse(make([]byte, bundle.MaxSize+1)); !errors.Is(err, bundle.ErrMalformed) {
		t.Errorf("too large: got %v, want ErrMalformed", err)
	}
}

// A chain of several certificates, or no content, cannot be written as v0.3.
func TestMarshalRefuses(t *testing.T) {
	b, err := bundle.Parse([]byte(attested))
	if err != nil {
		t.Fatal(err)
	}
	b.Certificates = append(b.Certificates, []byte{0x30, 0})
	if _, err := b.Marshal(); !errors.Is(err, bundle.ErrMalformed) {
		t.Errorf("a chain: got %v, want ErrMalformed", err)
	}
	if _, err := new(bundle.Bundle).Marshal(); !errors.Is(err, bundle.ErrMalformed) {
		t.Errorf("the zero bundle: got %v, want ErrMalformed", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(keyed))
	f.Add([]byte(attested))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := bundle.Parse(raw)
		if err != nil || b.Version < bundle.V03 {
			return
		}
		roundTrip(t, "fuzzed", b)
	})
}
