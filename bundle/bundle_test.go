// SPDX-License-Identifier: Apache-2.0

package bundle_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

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

// malformed lists the cases of the suite that the shape alone excludes. Package verify tests
// the others.
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
		t.Errorf("%s: marshalled bundle parses differently: %v", name, err)
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
		"large certificate": {attested, `"MAA="`, `"` + strings.Repeat("AAAA", bundle.MaxChain/3+1) + `"`},
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

func refused(t *testing.T, name, text string) {
	t.Helper()
	if _, err := bundle.Parse([]byte(text)); !errors.Is(err, bundle.ErrMalformed) {
		t.Errorf("%s: got %v, want ErrMalformed", name, err)
	}
}

// TestTrailingData checks that data after a bundle is refused.
func TestTrailingData(t *testing.T) {
	for name, tail := range map[string]string{
		"object": "{}", "the bundle again": keyed, "brace": "}", "number": " 1", "null": "null", "NUL": "\x00", "comma": ",", "comment": "// x",
	} {
		refused(t, name, keyed+tail)
		refused(t, name+" before", tail+keyed)
	}
	if _, err := bundle.Parse([]byte("\n" + keyed + " \r\n\t")); err != nil {
		t.Errorf("spaces around: %v", err)
	}
}

// TestDuplicateKeys checks that two members with the same name are refused at each depth,
// also with protobuf's other name of a field, and with escapes. Other readers may pick either
// of the two.
func TestDuplicateKeys(t *testing.T) {
	for name, c := range map[string]struct{ from, old, new string }{
		"top":               {keyed, `"messageSignature":`, `"messageSignature":{"signature":"AQIE"},"messageSignature":`},
		"media type":        {keyed, `{"mediaType"`, `{"mediaType":"x","mediaType"`},
		"snake case":        {keyed, `{"mediaType"`, `{"media_type":"x","mediaType"`},
		"escaped":           {keyed, `{"mediaType"`, `{"media\u0054ype":"x","mediaType"`},
		"one of two kinds":  {keyed, `"messageSignature":`, `"dsseEnvelope":{},"messageSignature":`},
		"material":          {keyed, `"verificationMaterial":`, `"verificationMaterial":{},"verificationMaterial":`},
		"digest":            {keyed, `"algorithm":`, `"algorithm":"SHA2_512","algorithm":`},
		"the same value":    {keyed, `"signature":"AQID"`, `"signature":"AQID","signature":"AQID"`},
		"null first":        {keyed, `"hint":`, `"hint":null,"hint":`},
		"payload":           {attested, `"payload":`, `"payload":"e30=","payload":`},
		"envelope's sig":    {attested, `"sig":"AQID"`, `"sig":"AQID","sig":"AQIE"`},
		"certificate bytes": {attested, `"rawBytes":"MAA="`, `"rawBytes":"MAA=","raw_bytes":"MAA="`},
	} {
		text := strings.Replace(c.from, c.old, c.new, 1)
		if text == c.from {
			t.Fatalf("%s: the edit changes nothing", name)
		}
		refused(t, name, text)
	}
}

// TestUnknownFields checks that unknown members are refused at each depth.
func TestUnknownFields(t *testing.T) {
	for _, at := range []string{`{"mediaType"`, `{"publicKey"`, `{"hint"`, `{"signedTimestamp"`, `{"messageDigest"`, `{"algorithm"`} {
		refused(t, at, strings.Replace(keyed, at, `{"x":1,`+at[1:], 1))
	}
	for _, at := range []string{`{"rawBytes"`, `{"payload"`, `{"sig"`} {
		refused(t, at, strings.Replace(attested, at, `{"x":1,`+at[1:], 1))
	}
	refused(t, "other case", strings.Replace(keyed, `"mediaType"`, `"MediaType"`, 1))
}

// TestLargeBundles checks that 10 MB are read or refused in time, and that only payloads may
// be so large.
func TestLargeBundles(t *testing.T) {
	start := time.Now()
	payload := strings.Repeat("AAAA", 10<<20/4)
	b, err := bundle.Parse([]byte(strings.Replace(attested, "e30=", payload, 1)))
	if err != nil || len(b.Envelope.Payload) != len(payload)/4*3 {
		t.Errorf("a payload of 10 MB: %v", err)
	}
	refused(t, "an unknown member of 10 MB", strings.Replace(keyed, "{", `{"x":"`+payload+`",`, 1))
	refused(t, "2 MB of timestamps", strings.Replace(keyed, `[{"signed`, `[`+strings.Repeat(`{"signedTimestamp":"MAA="},`, 2<<20/28)+`{"signed`, 1))
	for name, deep := range map[string]string{
		"arrays": strings.Repeat("[", 5<<20), "objects": strings.Repeat(`{"mediaType":`, 1<<18), "materials": strings.Repeat(`{"verificationMaterial":`, 1<<18),
		"below an unknown member": strings.Replace(keyed, "{", `{"x":`+strings.Repeat("[", 1<<20), 1),
		"as the hint":             strings.Replace(keyed, `"release"`, strings.Repeat("[", 1<<18)+strings.Repeat("]", 1<<18), 1),
	} {
		refused(t, name, deep)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

// TestMarshalRefuses checks that a bundle with several certificates or without content can't
// be written as v0.3.
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
