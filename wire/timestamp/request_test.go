// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

func request(message string) Request {
	return Request{Hash: crypto.SHA256, Imprint: digest(crypto.SHA256, []byte(message))}
}

func TestRequestRoundTrip(t *testing.T) {
	full := request("hello")
	full.Nonce, full.CertReq = big.NewInt(1<<40), true
	full.Policy = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}
	for _, want := range []Request{request("hello"), full} {
		der, err := want.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseRequest(der)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		for cut := range der {
			if _, err := ParseRequest(der[:cut]); err == nil {
				t.Errorf("parsed the first %d bytes", cut)
			}
		}
		if _, err := ParseRequest(append(der, 0)); err == nil {
			t.Error("parsed trailing data")
		}
	}
}

func TestMarshalRefuses(t *testing.T) {
	long := request("a")
	long.Nonce = new(big.Int).Lsh(big.NewInt(1), maxInteger)
	for _, r := range []Request{{}, {Hash: crypto.SHA1, Imprint: make([]byte, 20)}, {Hash: crypto.SHA512, Imprint: []byte{1}}, long} {
		if _, err := r.Marshal(); err == nil {
			t.Errorf("marshalled %+v", r)
		}
	}
}

func TestParseRequestFailInfo(t *testing.T) {
	sha1 := "302102010130" + "1f300706052b0e03021a0414" + strings.Repeat("00", 20)
	for name, c := range map[string]struct {
		hex  string
		fail FailInfo
	}{
		"empty":       {"", BadDataFormat},
		"SHA-1":       {sha1, BadAlg},
		"BER":         {"3080020101", BadDataFormat},
		"version 2":   {"3003020102", BadDataFormat},
		"long length": {"3084ffffffff020101", BadDataFormat},
	} {
		der, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		if name == "SHA-1" {
			der[1], der[6] = byte(len(der)-2), byte(len(der)-7)
		}
		_, err = ParseRequest(der)
		var refused *RequestError
		if !errors.As(err, &refused) || refused.Fail != c.fail {
			t.Errorf("%s: %v, want failure %d", name, err, c.fail)
		}
	}
}

func TestParseRequestExtensions(t *testing.T) {
	der, err := request("a").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	der[1] += 2
	var refused *RequestError
	if _, err := ParseRequest(append(der, 0xa0, 0)); !errors.As(err, &refused) || refused.Fail != UnacceptedExtension {
		t.Error(err)
	}
}

func TestManyArcs(t *testing.T) {
	var b cryptobyte.Builder
	b.AddASN1(0x06, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Repeat([]byte{1}, 1_000_000)) })
	in := cryptobyte.String(b.BytesOrPanic())
	var oid asn1.ObjectIdentifier
	start := time.Now()
	if readOID(&in, &oid) || time.Since(start) > 100*time.Millisecond {
		t.Errorf("a million arcs: %d read in %v", len(oid), time.Since(start))
	}
}

func TestParseRequestJSON(t *testing.T) {
	want := request("hello")
	hash := `"artifactHash":"` + base64.StdEncoding.EncodeToString(want.Imprint) + `"`
	got, err := ParseRequestJSON([]byte(`{` + hash + `,"hashAlgorithm":"sha256"}`))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	want.CertReq, want.Nonce, want.Policy = true, big.NewInt(12), asn1.ObjectIdentifier{1, 2, 3}
	got, err = ParseRequestJSON([]byte(`{` + hash + `,"hashAlgorithm":"sha256","certificates":true,"nonce":12,"tsaPolicyOID":"1.2.3"}`))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{
		``, `{}`, `{` + hash + `}`, `{` + hash + `,"hashAlgorithm":"sha1"}`, `{` + hash + `,"hashAlgorithm":"sha512"}`,
		`{` + hash + `,"hashAlgorithm":"sha256","extra":1}`, `{` + hash + `,` + hash + `,"hashAlgorithm":"sha256"}`,
		`{` + hash + `,"hashAlgorithm":"sha256","nonce":1.5}`, `{` + hash + `,"hashAlgorithm":"sha256","nonce":"1"}`,
		`{` + hash + `,"hashAlgorithm":"sha256","nonce":` + strings.Repeat("9", 99) + `}`,
		`{` + hash + `,"hashAlgorithm":"sha256","tsaPolicyOID":"1.99"}`, `{` + hash + `,"hashAlgorithm":"sha256","tsaPolicyOID":"1.02"}`,
	} {
		var refused *RequestError
		if _, err := ParseRequestJSON([]byte(bad)); !errors.As(err, &refused) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestRejection(t *testing.T) {
	for _, fail := range []FailInfo{BadAlg, BadDataFormat, UnacceptedExtension, SystemFailure} {
		der, err := MarshalRejection(fail, "no")
		if err != nil {
			t.Fatal(err)
		}
		var status *StatusError
		if _, err := ParseResponse(der); !errors.As(err, &status) || status.Fail != fail || status.Text != "no" || status.Status != 2 {
			t.Errorf("%d: %v", fail, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	seed := request("a")
	seed.Nonce, seed.CertReq, seed.Policy = big.NewInt(-7), true, asn1.ObjectIdentifier{1, 2, 3}
	der, err := seed.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := ParseRequest(der)
		if err != nil {
			return
		}
		again, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseRequest(again); err != nil || !reflect.DeepEqual(back, r) {
			t.Fatalf("%+v, %v, want %+v", back, err, r)
		}
	})
}

func FuzzParseRequestJSON(f *testing.F) {
	f.Add([]byte(`{"artifactHash":"LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=","hashAlgorithm":"sha256","nonce":1,"certificates":true,"tsaPolicyOID":"1.3.6.1.4.1.57264.2"}`))
	f.Add([]byte(`{"artifactHash":"","hashAlgorithm":"sha512","nonce":-1,"tsaPolicyOID":"2.999"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseRequestJSON(body)
		if err != nil {
			return
		}
		// A request that is valid as JSON must be valid as DER.
		der, err := r.Marshal()
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		back, err := ParseRequest(der)
		if err != nil {
			t.Fatalf("%x: %v", der, err)
		}
		if again, err := back.Marshal(); err != nil || !bytes.Equal(again, der) {
			t.Fatalf("%x comes back as %x, %v", der, again, err)
		}
	})
}
