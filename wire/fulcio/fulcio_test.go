// SPDX-License-Identifier: Apache-2.0

package fulcio

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
)

const challenge = "alice@example.com"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{
		"P-256":    must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"P-384":    must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"P-521":    must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"RSA-2048": testkit.RSA(t, 2048),
		"Ed25519":  ed,
	}
}

func keyPEM(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der := must(x509.MarshalPKIXPublicKey(key.Public()))
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func csrOf(t testing.TB, key crypto.Signer) *x509.CertificateRequest {
	t.Helper()
	der := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key))
	return must(x509.ParseCertificateRequest(der))
}

func certificate(t testing.TB) *x509.Certificate {
	t.Helper()
	key := keys(t)["P-256"]
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1864000000, 0)}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))))
}

func TestProof(t *testing.T) {
	all := keys(t)
	for name, key := range all {
		proof, err := SignProof(rand.Reader, key, challenge)
		if err != nil {
			t.Fatal(name, err)
		}
		if err := proof.Verify(key.Public(), challenge); err != nil {
			t.Error(name, err)
		}
		if err := proof.Verify(key.Public(), "bob@example.com"); !errors.Is(err, ErrProof) {
			t.Error(name, "other challenge:", err)
		}
		other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		if err := proof.Verify(other.Public(), challenge); !errors.Is(err, ErrProof) {
			t.Error(name, "other key:", err)
		}
		for i := range proof {
			proof[i] ^= 1
			if proof.Verify(key.Public(), challenge) == nil {
				t.Error(name, "flipped byte", i)
			}
			proof[i] ^= 1
		}
	}
	empty := must(SignProof(rand.Reader, all["P-256"], ""))
	if err := empty.Verify(all["P-256"].Public(), ""); !errors.Is(err, ErrProof) {
		t.Error("a proof of an empty challenge:", err)
	}
}

func TestRequestRoundTrip(t *testing.T) {
	for name, key := range keys(t) {
		proof := must(SignProof(rand.Reader, key, challenge))
		csr := csrOf(t, key)
		for _, r := range []Request{
			{Token: "a.b.c", PublicKey: key.Public(), ProofOfPossession: proof},
			{PublicKey: key.Public(), ProofOfPossession: proof},
			{Token: "a.b.c", PublicKey: key.Public(), CSR: csr},
		} {
			body, err := r.Marshal()
			if err != nil {
				t.Fatal(name, err)
			}
			if got, err := ParseRequest(body); err != nil || !reflect.DeepEqual(got, r) {
				t.Errorf("%s: read back as %+v, %v", name, got, err)
			}
		}
	}
}

// TestClientForms reads the requests of sigstore-go, of sigstore-js and, for
// v1, of cosign 2, with the key as PEM and as DER.
func TestClientForms(t *testing.T) {
	key := keys(t)["P-256"]
	text, proof := keyPEM(t, key), must(SignProof(rand.Reader, key, challenge))
	inner := map[string]any{"publicKey": map[string]any{"algorithm": "ECDSA", "content": text}, "proofOfPossession": []byte(proof)}
	block, _ := pem.Decode([]byte(text))
	v1 := func(content []byte) map[string]any {
		return map[string]any{"publicKey": map[string]any{"algorithm": "ecdsa", "content": content}, "signedEmailAddress": []byte(proof)}
	}
	for _, c := range []struct {
		parse func([]byte) (Request, error)
		body  any
		token string
	}{
		{ParseRequest, map[string]any{"publicKeyRequest": inner}, ""},
		{ParseRequest, map[string]any{"credentials": map[string]any{"oidcIdentityToken": "a.b.c"}, "publicKeyRequest": inner}, "a.b.c"},
		{ParseRequestV1, v1([]byte(text)), ""},
		{ParseRequestV1, v1(block.Bytes), ""},
	} {
		r, err := c.parse(must(json.Marshal(c.body)))
		if err != nil {
			t.Error(err)
			continue
		}
		if err := r.ProofOfPossession.Verify(r.PublicKey, challenge); err != nil || r.Token != c.token {
			t.Errorf("token %q, %v", r.Token, err)
		}
	}
}

func TestRequestRefuses(t *testing.T) {
	key := keys(t)["P-256"]
	good := must(Request{PublicKey: key.Public(), ProofOfPossession: []byte("proof")}.Marshal())
	csr := csrOf(t, key)
	bad := append([]byte{}, csr.Raw...)
	bad[len(bad)-1] ^= 1
	b64 := func(der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	}
	edit := func(old, new string) string {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("%q is not in %s", old, good)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	small := keyPEM(t, must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)))
	for why, body := range map[string]string{
		"empty":             "",
		"null":              "null",
		"nothing":           "{}",
		"trailing data":     string(good) + "{}",
		"unknown member":    edit(`{"pub`, `{"x":1,"pub`),
		"other case":        edit(`publicKeyRequest`, `PublicKeyRequest`),
		"member twice":      edit(`{"pub`, `{"certificateSigningRequest":"","certificateSigningRequest":"","pub`),
		"no proof":          edit(base64.StdEncoding.EncodeToString([]byte("proof")), ""),
		"not base64":        edit(`"proofOfPossession":"`, `"proofOfPossession":"!`),
		"not a key":         edit(`BEGIN PUBLIC`, `BEGIN PRIVATE`),
		"key and request":   edit(`{"pub`, `{"certificateSigningRequest":"`+b64(csr.Raw)+`","pub`),
		"weak key":          `{"publicKeyRequest":{"publicKey":{"content":` + string(must(json.Marshal(small))) + `},"proofOfPossession":"AAAA"}}`,
		"forged request":    `{"certificateSigningRequest":"` + b64(bad) + `"}`,
		"request not PEM":   `{"certificateSigningRequest":"AAAA"}`,
		"beyond MaxRequest": `{"credentials":{"oidcIdentityToken":"` + strings.Repeat("a", MaxRequest) + `"}}`,
	} {
		if r, err := ParseRequest([]byte(body)); !errors.Is(err, ErrRequest) || !reflect.DeepEqual(r, Request{}) {
			t.Errorf("%s: %+v, %v", why, r, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	cert := certificate(t)
	chain := []*x509.Certificate{cert, cert}
	body := must(MarshalResponse(chain))
	if !bytes.HasPrefix(body, []byte(`{"signedCertificateEmbeddedSct":{"chain":{"certificates":["-----BEGIN CERTIFICATE-----\n`)) {
		t.Errorf("response is %s", body)
	}
	if got, err := ParseResponse(body); err != nil || !reflect.DeepEqual(got, chain) {
		t.Errorf("response: %v", err)
	}
	bundle := TrustBundle{chain, chain[:1]}
	if got, err := ParseTrustBundle(must(bundle.Marshal())); err != nil || !reflect.DeepEqual(got, bundle) {
		t.Errorf("trust bundle: %v", err)
	}
	config := Configuration{[]Issuer{{URL: "https://login.example.com", Audience: "sigstore", ChallengeClaim: "email", Type: "email"}}}
	if got, err := ParseConfiguration(must(config.Marshal())); err != nil || !reflect.DeepEqual(got, config) {
		t.Errorf("configuration: %+v, %v", got, err)
	}
	if block, rest := pem.Decode(MarshalPEM(chain)); !bytes.Equal(block.Bytes, cert.Raw) || len(rest) == 0 {
		t.Error("PEM is not the chain")
	}
	if _, err := MarshalResponse(nil); err == nil {
		t.Error("a response without certificates")
	}
}

func TestAnswersRefused(t *testing.T) {
	cert := certificate(t)
	many := make([]*x509.Certificate, MaxChain+1)
	for i := range many {
		many[i] = cert
	}
	for _, body := range []string{
		"", "{}", `{"signedCertificateEmbeddedSct":{"chain":{"certificates":["PEM"]}}}`,
		string(must(MarshalResponse(many))), strings.Repeat(" ", MaxResponse+1),
		string(must(MarshalResponse(many[:1]))) + "x",
	} {
		if _, err := ParseResponse([]byte(body)); !errors.Is(err, ErrResponse) {
			t.Errorf("response %.80q: %v", body, err)
		}
		if _, err := ParseTrustBundle([]byte(body)); !errors.Is(err, ErrResponse) {
			t.Errorf("trust bundle %.80q: %v", body, err)
		}
	}
	if _, err := ParseConfiguration([]byte(`{"issuers":[],"issuers":[]}`)); !errors.Is(err, ErrResponse) {
		t.Error("configuration with a member twice:", err)
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, key := range keys(f) {
		f.Add(must(Request{Token: "a.b.c", PublicKey: key.Public(), ProofOfPossession: []byte("proof")}.Marshal()))
		f.Add(must(Request{PublicKey: key.Public(), CSR: csrOf(f, key)}.Marshal()))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseRequest(body)
		if err != nil {
			return
		}
		again, err := ParseRequest(must(r.Marshal()))
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("read back as %+v, %v", again, err)
		}
	})
}

func FuzzParseRequestV1(f *testing.F) {
	f.Add([]byte(`{"publicKey":{"algorithm":"ecdsa","content":"AAAA"},"signedEmailAddress":"AAAA"}`))
	for _, key := range keys(f) {
		der := must(x509.MarshalPKIXPublicKey(key.Public()))
		f.Add([]byte(`{"publicKey":{"content":"` + base64.StdEncoding.EncodeToString(der) + `"},"signedEmailAddress":"AAAA"}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseRequestV1(body)
		if err != nil {
			return
		}
		// A key and proof that v1 accepts must survive a round trip through v2.
		again, err := ParseRequest(must(r.Marshal()))
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("read back as %+v, %v", again, err)
		}
	})
}

// FuzzAnswers parses input as each response that a client reads.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"signedCertificateEmbeddedSct":{"chain":{"certificates":["-----BEGIN CERTIFICATE-----"]}}}`))
	f.Add([]byte(`{"chains":[{"certificates":[""]}]}`))
	f.Add([]byte(`{"issuers":[{"issuerUrl":"https://login.example.com","audience":"sigstore"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if chain, err := ParseResponse(body); err == nil {
			if again, err := ParseResponse(must(MarshalResponse(chain))); err != nil || len(again) != len(chain) {
				t.Errorf("chain of %d read back as %d, %v", len(chain), len(again), err)
			}
		}
		if b, err := ParseTrustBundle(body); err == nil {
			if again, err := ParseTrustBundle(must(b.Marshal())); err != nil || !reflect.DeepEqual(again, b) {
				t.Errorf("trust bundle read back as %v, %v", again, err)
			}
		}
		if c, err := ParseConfiguration(body); err == nil {
			again, err := ParseConfiguration(must(c.Marshal()))
			if err != nil || len(again.Issuers) != len(c.Issuers) {
				t.Errorf("configuration read back as %v, %v", again, err)
			}
		}
		if e, err := ParseExplanation(body); err == nil {
			if again, err := ParseExplanation(must(e.Marshal())); err != nil || len(again.Fields) != len(e.Fields) {
				t.Errorf("explanation read back as %v, %v", again, err)
			}
		}
	})
}
