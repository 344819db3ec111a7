// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
)

const (
	alice = "alice@example.com"

	caMalformed = "request is not valid: want a key of the Sigstore algorithm registry with its proof of possession, or a certificate signing request"
	caToken     = "ID token is refused: "
	caProof     = "proof of possession does not verify with the key over the token's email or sub"
	caHeader    = "Authorization must be Bearer with an ID token of at most 16 KiB"
)

// certRequest returns the text of a request with any members, and a proof over challenge.
func certRequest(t testing.TB, token string, key crypto.Signer, challenge string) string {
	t.Helper()
	proof := testkit.Must(fulcio.SignProof(rand.Reader, key, challenge))(t)
	return string(testkit.Must(fulcio.Request{Token: token, PublicKey: key.Public(), ProofOfPossession: proof}.Marshal())(t))
}

// certText returns a request with any texts as key and proof.
func certText(token, key string, proof []byte) string {
	return fmt.Sprintf(`{"credentials":{"oidcIdentityToken":%q},"publicKeyRequest":{"publicKey":{"content":%q},"proofOfPossession":%q}}`, token, key, b64(proof))
}

func csrText(token string, csr []byte) string {
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})
	return fmt.Sprintf(`{"credentials":{"oidcIdentityToken":%q},"certificateSigningRequest":%q}`, token, b64(block))
}

func publicPEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (v *victim) certify(t testing.TB, body string, headers ...string) answer {
	t.Helper()
	return v.post(t.(*testing.T), "/api/v2/signingCert", "application/json", body, headers...)
}

// claims returns the claims of a valid token, with changes. The value nil removes a claim.
func (v *victim) claims(changes map[string]any) map[string]any {
	now := time.Now()
	all := map[string]any{
		"iss": v.URL, "aud": "sigstore", "sub": alice, "email": alice, "email_verified": true,
		"iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

// checkCertificates checks the number of certificates in the CT log.
func (v *victim) checkCertificates(t *testing.T, want int) {
	t.Helper()
	if _, text := get(t, v.URL+"/metrics"); !strings.Contains(text, fmt.Sprintf(`hallmark_log_entries{log="ct"} %d`, want)) {
		t.Errorf("the CT log does not have %d entries", want)
	}
}

func TestCARefusesForm(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	key := testkit.P256(t)
	good := certRequest(t, v.Token(t, alice), key, alice)
	csr := testkit.Must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key))(t)
	forged := bytes.Clone(csr)
	forged[len(forged)-1] ^= 1
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "hello", "null": "null", "no member": "{}", "array": "[]", "cut off": good[:len(good)-1],
		"trailing data": good + "{}", "deep": strings.Repeat("[", 60_000), "deep members": strings.Repeat(`{"credentials":`, 4000),
		"invalid UTF-8":        strings.Replace(good, "PUBLIC", "PUBL\xff", 1),
		"unknown member":       strings.Replace(good, `{`, `{"x":1,`, 1),
		"unknown inside":       strings.Replace(good, `"publicKey":{`, `"publicKey":{"x":1,`, 1),
		"doubled member":       strings.Replace(good, `{`, `{"credentials":{},`, 1),
		"doubled token":        strings.Replace(good, `"oidcIdentityToken"`, `"oidcIdentityToken":"x","oidcIdentityToken"`, 1),
		"other case":           strings.Replace(good, `"credentials"`, `"Credentials"`, 1),
		"token is a number":    strings.Replace(good, `"oidcIdentityToken":"`, `"oidcIdentityToken":1,"x":"`, 1),
		"empty proof":          certText(v.Token(t, alice), publicPEM(testkit.Must(x509.MarshalPKIXPublicKey(key.Public()))(t)), nil),
		"forged CSR":           csrText(v.Token(t, alice), forged),
		"CSR with a tail":      csrText(v.Token(t, alice), append(bytes.Clone(csr), 0)),
		"CSR is a certificate": csrText(v.Token(t, alice), v.Root.CertificateAuthorities[0].Chain[0].Raw),
		"CSR and key":          strings.TrimSuffix(good, "}") + `,` + strings.SplitN(csrText("", csr), ",", 2)[1],
	} {
		checkProblem(t, name, v.certify(t, body), 400, codeInvalid, caMalformed)
	}
	v.checkCertificates(t, 0)
	if a := v.certify(t, csrText(v.Token(t, alice), csr)); a.status != 200 {
		t.Errorf("a good CSR: %d %s", a.status, a.body)
	}
	if a := v.certify(t, good); a.status != 200 {
		t.Errorf("a good request: %d %s", a.status, a.body)
	}
	v.checkCertificates(t, 2)
}

// TestCSRWithManyArcs checks that an object identifier of a million arcs exceeds the limit of
// requests, and that one of thirty thousand costs little and its extension is ignored.
func TestCSRWithManyArcs(t *testing.T) {
	testkit.Sequential(t)
	t.Parallel()
	v := newVictim(t)
	key := testkit.P256(t)
	csr := func(arcs int) string {
		return csrText(v.Token(t, alice), testkit.Must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
			ExtraExtensions: []pkix.Extension{{Id: manyArcs(arcs), Value: []byte{5, 0}}},
		}, key))(t))
	}
	start := time.Now()
	checkProblem(t, "a million", v.certify(t, csr(1_000_000)), 413, codeInvalid, "request is larger than 64 KiB")
	if a := v.certify(t, csr(30_000)); a.status != 200 || len(a.body) > 8000 {
		t.Errorf("thirty thousand: %d %.300s", a.status, a.body)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestCARefusesKeys(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	token := v.Token(t, alice)
	good := testkit.P256(t)
	public := testkit.Must(x509.MarshalPKIXPublicKey(good.Public()))(t)
	spki := func(key any) string { return publicPEM(testkit.Must(x509.MarshalPKIXPublicKey(key))(t)) }
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: testkit.Must(x509.MarshalPKCS8PrivateKey(good))(t)})
	odd := func(bits int) *big.Int { return new(big.Int).SetBit(big.NewInt(1), bits-1, 1) }
	rsaKey := testkit.RSA(t, 2048)
	for name, content := range map[string]string{
		"no key": "", "no PEM": "hello", "P-224": spki(testkit.Must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))(t).Public()),
		"secp256k1":           publicPEM(secp256k1(t)),
		"a point off P-256":   publicPEM(append(bytes.Clone(public[:len(public)-1]), public[len(public)-1]^1)),
		"DSA":                 publicPEM(dsaKey(t)),
		"X25519":              spki(testkit.Must(ecdh.X25519().GenerateKey(rand.Reader))(t).PublicKey()),
		"RSA 1024":            spki(&rsa.PublicKey{N: odd(1024), E: 65537}),
		"RSA 2047":            spki(&rsa.PublicKey{N: odd(2047), E: 65537}),
		"RSA 8192":            spki(&rsa.PublicKey{N: odd(8192), E: 65537}),
		"RSA 16384":           spki(&rsa.PublicKey{N: odd(16384), E: 3}),
		"PEM with a tail":     publicPEM(public) + "x",
		"two keys":            publicPEM(public) + publicPEM(public),
		"key with a tail":     publicPEM(append(bytes.Clone(public), 0)),
		"a private key":       string(private),
		"a private key's DER": publicPEM(testkit.Must(x509.MarshalECPrivateKey(good))(t)),
		"another label":       strings.ReplaceAll(publicPEM(public), "PUBLIC", "RSA PUBLIC"),
		"a certificate":       string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Root.CertificateAuthorities[0].Chain[0].Raw})),
	} {
		checkProblem(t, name, v.certify(t, certText(token, content, []byte{1})), 400, codeInvalid, caMalformed)
	}
	for name, key := range map[string]*rsa.PublicKey{
		"RSA e=3": {N: rsaKey.N, E: 3}, "RSA even": {N: new(big.Int).Add(odd(2048), big.NewInt(1)), E: 65537}, "RSA 3·p": {N: new(big.Int).Mul(odd(2047), big.NewInt(3)), E: 65537},
	} {
		checkProblem(t, name, v.certify(t, certText(token, spki(key), []byte{1})), 400, codeInvalid, "key is weak")
	}
	v.checkCertificates(t, 0)
}

func secp256k1(t testing.TB) []byte {
	t.Helper()
	// G, as SEC 2 §2.4.1 has it.
	point, _ := new(big.Int).SetString("0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8", 16)
	return spkiOf(t, asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, asn1.ObjectIdentifier{1, 3, 132, 0, 10}, point.FillBytes(make([]byte, 65)))
}

func dsaKey(t testing.TB) []byte {
	t.Helper()
	p := new(big.Int).SetBit(big.NewInt(1), 1023, 1)
	return spkiOf(t, asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}, struct{ P, Q, G *big.Int }{p, big.NewInt(101), big.NewInt(4)}, testkit.Must(asn1.Marshal(big.NewInt(9)))(t))
}

// spkiOf returns a SubjectPublicKeyInfo of any algorithm.
func spkiOf(t testing.TB, algorithm asn1.ObjectIdentifier, parameters any, key []byte) []byte {
	t.Helper()
	return testkit.Must(asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{pkix.AlgorithmIdentifier{Algorithm: algorithm, Parameters: asn1.RawValue{FullBytes: testkit.Must(asn1.Marshal(parameters))(t)}}, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}}))(t)
}

func TestCARefusesProofs(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	token := v.Token(t, alice)
	key, other := testkit.P256(t), testkit.P256(t)
	public := publicPEM(testkit.Must(x509.MarshalPKIXPublicKey(key.Public()))(t))
	for name, proof := range map[string][]byte{
		"another key":       testkit.Must(fulcio.SignProof(rand.Reader, other, alice))(t),
		"another challenge": testkit.Must(fulcio.SignProof(rand.Reader, key, "mallory@example.com"))(t),
		"challenge's case":  testkit.Must(fulcio.SignProof(rand.Reader, key, "Alice@example.com"))(t),
		"the token":         testkit.Must(fulcio.SignProof(rand.Reader, key, token))(t),
		"no challenge":      testkit.Must(fulcio.SignProof(rand.Reader, key, ""))(t),
		"nonsense":          []byte("nonsense"),
		"r and s zero":      {0x30, 6, 2, 1, 0, 2, 1, 0},
		"with a tail":       append(testkit.Must(fulcio.SignProof(rand.Reader, key, alice))(t), 0),
		"40 KiB":            make([]byte, 40<<10),
	} {
		checkProblem(t, name, v.certify(t, certText(token, public, proof)), 400, codeInvalid, caProof)
	}
	v.checkCertificates(t, 0)
}
