// SPDX-License-Identifier: Apache-2.0

package rekor

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

func b64(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }

func pkix(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// signed returns the entry of message under key and the named algorithm.
func signed(t testing.TB, key crypto.Signer, name string, message []byte) HashedRekord {
	t.Helper()
	alg, err := sigalg.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := alg.Digest(message)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := alg.SignDigest(rand.Reader, key, digest)
	if err != nil {
		t.Fatal(err)
	}
	return HashedRekord{Digest: digest, Signature: sig, Verifier: Verifier{PublicKey: pkix(t, key.Public()), KeyDetails: name}}
}

func selfSigned(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1864000000, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestRequestRoundTrip(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := testkit.RSA(t, 2048)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256 := testkit.P256(t)
	withCert := signed(t, p256, sigalg.ECDSAP256SHA256, []byte("hello"))
	withCert.Verifier.PublicKey, withCert.Verifier.Certificate = nil, selfSigned(t, p256)
	for _, h := range []HashedRekord{
		withCert,
		signed(t, p256, sigalg.ECDSAP256SHA256, []byte("hello")),
		signed(t, p384, sigalg.ECDSAP384SHA384, []byte("hello")),
		signed(t, rsaKey, "PKIX_RSA_PKCS1V15_2048_SHA256", []byte("hello")),
		signed(t, edKey, sigalg.Ed25519ph, []byte("hello")),
	} {
		name := h.Verifier.KeyDetails
		if err := h.Verify(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		request, err := MarshalRequest(h)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseRequest(request)
		if err != nil || !reflect.DeepEqual(got, h) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		body, err := h.Body()
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseBody(body)
		if err != nil || !bytes.Equal(b.Data.Value, h.Digest) || !reflect.DeepEqual(b.Signatures[0].Verifier, h.Verifier) {
			t.Errorf("%s: body reads as %+v, %v", name, b, err)
		}
	}
}

func TestDSSERequestIsHashedRekord(t *testing.T) {
	key := testkit.P256(t)
	payload := []byte(`{"_type":"https://in-toto.io/Statement/v1"}`)
	want := signed(t, key, sigalg.ECDSAP256SHA256, dsse.PAE(dsse.PayloadTypeInToto, payload))
	request := fmt.Sprintf(`{"dsseRequestV002":{"envelope":{"payload":%q,"payloadType":%q,"signatures":[{"sig":%q,"keyid":""}]},
		"verifiers":[{"publicKey":{"rawBytes":%q},"keyDetails":%q}]}}`, b64(payload), dsse.PayloadTypeInToto,
		b64(want.Signature), b64(want.Verifier.PublicKey), want.Verifier.KeyDetails)
	got, err := ParseRequest([]byte(request))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := got.Verify(); err != nil {
		t.Error(err)
	}
	for old, bad := range map[string]string{
		`"verifiers":[`:     `"verifiers":[{"keyDetails":"","publicKey":{"rawBytes":"AA=="}},`,
		`"signatures":[`:    `"signatures":[{"sig":"AA==","keyid":""},`,
		b64(want.Signature): ``,
		`"payloadType":"` + dsse.PayloadTypeInToto: `"payloadType":"`,
		sigalg.ECDSAP256SHA256:                     sigalg.Ed25519,
	} {
		mangled := strings.Replace(request, old, bad, 1)
		if h, err := ParseRequest([]byte(mangled)); err == nil {
			t.Errorf("%s for %s: parses as %+v", bad, old, h)
		}
	}
}

func TestParseRequestRefuses(t *testing.T) {
	h := signed(t, testkit.P256(t), sigalg.ECDSAP256SHA256, []byte("hello"))
	raw, err := MarshalRequest(h)
	if err != nil {
		t.Fatal(err)
	}
	good := string(raw)
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%s is not in %s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	digest, key := b64(h.Digest), b64(h.Verifier.PublicKey)
	for name, bad := range map[string]string{
		"empty":              "",
		"null":               "null",
		"no member":          "{}",
		"array":              "[]",
		"trailing data":      good + "{}",
		"truncated":          good[:len(good)-1],
		"unknown member":     replace(`"digest"`, `"x":1,"digest"`),
		"doubled member":     replace(`"digest"`, `"digest":"AAAA","digest"`),
		"other case":         replace(`"digest"`, `"Digest"`),
		"both requests":      replace(`{"hashedRekord`, `{"dsseRequestV002":{},"hashedRekord`),
		"digest missing":     replace(`"digest":"`+digest+`",`, ``),
		"digest not base64":  replace(digest, "!!!!"),
		"digest unpadded":    replace(digest, strings.TrimRight(digest, "=")),
		"digest with bits":   replace(digest, digest[:42]+string(digest[42]+1)+"="),
		"digest a number":    replace(`"`+digest+`"`, "1"),
		"digest null":        replace(`"`+digest+`"`, "null"),
		"digest with break":  replace(digest, digest[:4]+`\n`+digest[4:]),
		"signature empty":    replace(`"content":"`+b64(h.Signature), `"content":"`),
		"keyDetails missing": replace(`"keyDetails":"`+sigalg.ECDSAP256SHA256+`",`, ``),
		"key and cert":       replace(`"publicKey"`, `"x509Certificate":{"rawBytes":"AAAA"},"publicKey"`),
		"no key":             replace(`,"publicKey":{"rawBytes":"`+key+`"}`, ``),
		"key empty":          replace(key, ""),
		"invalid UTF-8":      replace("PKIX", "\xff\xfe"),
		"deep nesting":       strings.Repeat("[", 1<<20),
	} {
		if got, err := ParseRequest([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := ParseRequest(make([]byte, MaxRequest+1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("too long: %v", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	key := testkit.P256(t)
	good := signed(t, key, sigalg.ECDSAP256SHA256, []byte("hello"))
	other := sha256.Sum256([]byte("other"))
	weak := testkit.RSA(t, 3072)
	for name, c := range map[string]struct {
		mangle func(h *HashedRekord)
		want   error
	}{
		"pure Ed25519":       {func(h *HashedRekord) { h.Verifier.KeyDetails = sigalg.Ed25519 }, ErrAlgorithm},
		"unknown":            {func(h *HashedRekord) { h.Verifier.KeyDetails = "PKIX_ROT13" }, ErrAlgorithm},
		"digest short":       {func(h *HashedRekord) { h.Digest = h.Digest[:20] }, ErrDigest},
		"digest of 64":       {func(h *HashedRekord) { h.Digest = make([]byte, 64) }, ErrDigest},
		"another digest":     {func(h *HashedRekord) { h.Digest = other[:] }, ErrSignature},
		"another key":        {func(h *HashedRekord) { h.Verifier.PublicKey = pkix(t, testkit.P256(t).Public()) }, ErrSignature},
		"another key type":   {func(h *HashedRekord) { h.Verifier.PublicKey = pkix(t, weak.Public()) }, ErrVerifier},
		"no key":             {func(h *HashedRekord) { h.Verifier.PublicKey = nil }, ErrVerifier},
		"key and cert":       {func(h *HashedRekord) { h.Verifier.Certificate = selfSigned(t, key) }, ErrVerifier},
		"key trailing":       {func(h *HashedRekord) { h.Verifier.PublicKey = append(bytes.Clone(h.Verifier.PublicKey), 0) }, ErrVerifier},
		"certificate as key": {func(h *HashedRekord) { h.Verifier.PublicKey = selfSigned(t, key) }, ErrVerifier},
		"signature long":     {func(h *HashedRekord) { h.Signature = make([]byte, maxMaterial) }, ErrTooLarge},
		"certificate long": {func(h *HashedRekord) {
			h.Verifier.Certificate, h.Verifier.PublicKey = make([]byte, maxMaterial), nil
		}, ErrTooLarge},
		"RSA of other size": {func(h *HashedRekord) {
			h.Verifier.KeyDetails, h.Verifier.PublicKey = "PKIX_RSA_PKCS1V15_2048_SHA256", pkix(t, weak.Public())
		}, ErrVerifier},
	} {
		h := good
		c.mangle(&h)
		if err := h.Verify(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for i := range good.Signature {
		h := good
		h.Signature = bytes.Clone(good.Signature)
		h.Signature[i] ^= 1
		if err := h.Verify(); !errors.Is(err, ErrSignature) {
			t.Errorf("signature byte %d flipped: %v", i, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	raw, err := MarshalRequest(signed(f, testkit.P256(f), sigalg.ECDSAP256SHA256, []byte("hello")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"dsseRequestV002":{"envelope":{"payload":"AA==","payloadType":"x","signatures":[{"sig":"AA==","keyid":""}]},"verifiers":[{"publicKey":{"rawBytes":"AA=="},"keyDetails":"PKIX_ECDSA_P256_SHA_256"}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := ParseRequest(raw)
		if err != nil {
			return
		}
		again, err := MarshalRequest(h)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseRequest(again); err != nil || !reflect.DeepEqual(got, h) {
			t.Errorf("%s comes back as %+v, %v", raw, got, err)
		}
		_ = h.Verify() // must not panic, whatever the key is
	})
}
