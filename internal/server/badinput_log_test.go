// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

func marshalEntry(t testing.TB, h rekor.HashedRekord) []byte {
	t.Helper()
	return testkit.Must(rekor.MarshalRequest(h))(t)
}

func b64(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }

// Texts of refusals of the log.
const (
	logMalformed = "request is not a valid hashedRekordRequestV002 or dsseRequestV002"
	logAlgorithm = "keyDetails names no supported algorithm with a hash; pure Ed25519 can't be logged"
	logDigest    = "digest is not as long as the hash of keyDetails"
	logVerifier  = "verifier is not a key or certificate of the kind that keyDetails names"
	logSignature = "signature does not verify with the verifier over the digest"
	logTooLarge  = "entry is larger than 64 KiB"
)

// entryText returns a hashedRekordRequestV002 with any members.
func entryText(digest, signature, keyDetails, verifier string) string {
	return fmt.Sprintf(`{"hashedRekordRequestV002":{"digest":%q,"signature":{"content":%q,"verifier":{"keyDetails":%q,%s}}}}`,
		digest, signature, keyDetails, verifier)
}

func TestLogRefusesForm(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	good := string(marshalEntry(t, hashedRekord(t)))
	h := testkit.Must(rekor.ParseRequest([]byte(good)))(t)
	digest := b64(h.Digest)
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%s is not in %s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	// The last letter before = holds two bits that must be zero (RFC 4648 §3.5).
	loose := digest[:len(digest)-2] + string(digest[len(digest)-2]+1) + "="
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "hello", "null": "null", "no member": "{}", "array": "[]", "string": `"x"`,
		"cut off": good[:len(good)-1], "trailing data": good + "{}", "two values": good + good, "deep": strings.Repeat("[", 1<<20),
		"deep members": strings.Repeat(`{"hashedRekordRequestV002":`, 20_000), "byte order mark": "\ufeff" + good, "invalid UTF-8": replace("PKIX", "\xff"),
		"unknown member": replace(`"digest"`, `"x":1,"digest"`), "unknown at the top": `{"x":1,` + good[1:],
		"doubled member": replace(`"digest"`, `"digest":"AAAA","digest"`), "other case": replace(`"digest"`, `"Digest"`),
		"both kinds":          `{"dsseRequestV002":{},` + good[1:],
		"base64 loose":        replace(digest, loose),
		"base64 url":          replace(digest, "_-"+digest[2:]),
		"base64 bare":         replace(digest, strings.TrimRight(digest, "=")),
		"base64 with \\n":     replace(digest, digest[:4]+`\n`+digest[4:]),
		"no signature":        replace(b64(h.Signature), ""),
		"no digest":           replace(digest, ""),
		"key and certificate": replace(`"publicKey"`, `"x509Certificate":{"rawBytes":"AAAA"},"publicKey"`),
		"no key details":      replace(h.Verifier.KeyDetails, ""),
	} {
		checkProblem(t, name, v.post(t, "/api/v2/log/entries", "application/json", body), 400, codeInvalid, logMalformed)
	}
}

// TestLogRefusesContent checks that valid entries with one defect are refused.
func TestLogRefusesContent(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	other := sha256.Sum256([]byte("other"))
	edPublic, edKey := newEd25519(t)
	edDigest := sha256.Sum256([]byte("x"))
	rsaKey := testkit.Must(x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2047, 1), E: 65537}))(t)
	p224 := testkit.Must(x509.MarshalPKIXPublicKey(testkit.Must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))(t).Public()))(t)
	private := testkit.Must(x509.MarshalPKCS8PrivateKey(testkit.P256(t)))(t)
	for name, try := range map[string]struct {
		change  func(h *rekor.HashedRekord)
		message string
	}{
		"digest of 20":          {func(h *rekor.HashedRekord) { h.Digest = h.Digest[:20] }, logDigest},
		"digest of 33":          {func(h *rekor.HashedRekord) { h.Digest = append(h.Digest, 0) }, logDigest},
		"digest of 64":          {func(h *rekor.HashedRekord) { h.Digest = make([]byte, 64) }, logDigest},
		"digest of 2 MiB":       {func(h *rekor.HashedRekord) { h.Digest = make([]byte, 2<<20) }, logDigest},
		"another digest":        {func(h *rekor.HashedRekord) { h.Digest = other[:] }, logSignature},
		"another's key":         {func(h *rekor.HashedRekord) { h.Verifier = hashedRekord(t).Verifier }, logSignature},
		"signature cut":         {func(h *rekor.HashedRekord) { h.Signature = h.Signature[:8] }, logSignature},
		"signature with a tail": {func(h *rekor.HashedRekord) { h.Signature = append(h.Signature, 0) }, logSignature},
		"unknown algorithm":     {func(h *rekor.HashedRekord) { h.Verifier.KeyDetails = "PKIX_ROT13" }, logAlgorithm},
		"algorithm of 1 MiB":    {func(h *rekor.HashedRekord) { h.Verifier.KeyDetails = strings.Repeat("P", 1<<20) }, logAlgorithm},
		"P-384 for P-256": {func(h *rekor.HashedRekord) {
			h.Verifier.KeyDetails, h.Digest = sigalg.ECDSAP384SHA384, make([]byte, 48)
		}, logVerifier},
		"RSA for ECDSA":      {func(h *rekor.HashedRekord) { h.Verifier.KeyDetails = "PKIX_RSA_PKCS1V15_2048_SHA256" }, logVerifier},
		"ECDSA for RSA":      {func(h *rekor.HashedRekord) { h.Verifier.PublicKey = rsaKey }, logVerifier},
		"P-224":              {func(h *rekor.HashedRekord) { h.Verifier.PublicKey = p224 }, logVerifier},
		"a private key":      {func(h *rekor.HashedRekord) { h.Verifier.PublicKey = private }, logVerifier},
		"key with a tail":    {func(h *rekor.HashedRekord) { h.Verifier.PublicKey = append(h.Verifier.PublicKey, 0) }, logVerifier},
		"key as certificate": {func(h *rekor.HashedRekord) { h.Verifier.Certificate, h.Verifier.PublicKey = h.Verifier.PublicKey, nil }, logVerifier},
		"certificate unparsable": {func(h *rekor.HashedRekord) {
			h.Verifier.Certificate, h.Verifier.PublicKey = []byte("\x30\x03\x02\x01\x01"), nil
		}, logVerifier},
		"certificate of 1 MiB": {func(h *rekor.HashedRekord) { h.Verifier.Certificate, h.Verifier.PublicKey = make([]byte, 1<<20), nil }, logTooLarge},
		"signature of 60 KiB":  {func(h *rekor.HashedRekord) { h.Signature = make([]byte, 60<<10) }, logTooLarge},
		"pure Ed25519": {func(h *rekor.HashedRekord) {
			*h = rekor.HashedRekord{Digest: edDigest[:], Signature: ed25519.Sign(edKey, []byte("x")), Verifier: rekor.Verifier{PublicKey: edPublic, KeyDetails: sigalg.Ed25519}}
		}, logAlgorithm},
		"pure Ed25519 as Ed25519ph": {func(h *rekor.HashedRekord) {
			*h = rekor.HashedRekord{Digest: make([]byte, 64), Signature: ed25519.Sign(edKey, make([]byte, 64)), Verifier: rekor.Verifier{PublicKey: edPublic, KeyDetails: sigalg.Ed25519ph}}
		}, logSignature},
	} {
		h := hashedRekord(t)
		try.change(&h)
		checkProblem(t, name, v.post(t, "/api/v2/log/entries", "application/json", string(marshalEntry(t, h))), 400, codeInvalid, try.message)
	}
	if _, text := get(t, v.URL+"/metrics"); !strings.Contains(text, `hallmark_log_entries{log="rekor"} 0`) {
		t.Error("something was logged")
	}
}

func newEd25519(t testing.TB) (pkix []byte, key ed25519.PrivateKey) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return testkit.Must(x509.MarshalPKIXPublicKey(public))(t), key
}

func TestLogRefusesEnvelopes(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	key := testkit.P256(t)
	public := b64(testkit.Must(x509.MarshalPKIXPublicKey(key.Public()))(t))
	digest := sha256.Sum256(dsse.PAE(dsse.PayloadTypeInToto, []byte("{}")))
	sig := fmt.Sprintf(`{"sig":%q}`, b64(testkit.Must(ecdsa.SignASN1(rand.Reader, key, digest[:]))(t)))
	verifier := fmt.Sprintf(`{"publicKey":{"rawBytes":%q},"keyDetails":"PKIX_ECDSA_P256_SHA_256"}`, public)
	body := func(payload, payloadType, signatures, verifiers string) string {
		return fmt.Sprintf(`{"dsseRequestV002":{"envelope":{"payload":%q,"payloadType":%q,"signatures":[%s]},"verifiers":[%s]}}`, payload, payloadType, signatures, verifiers)
	}
	post := func(body string) answer { return v.post(t, "/api/v2/log/entries", "application/json", body) }
	if a := post(body("e30=", dsse.PayloadTypeInToto, sig, verifier)); a.status != 201 {
		t.Fatalf("a good one: %d %s", a.status, a.body)
	}
	for name, try := range map[string]struct{ body, message string }{
		"several signatures": {body("e30=", dsse.PayloadTypeInToto, sig+","+sig, verifier), logMalformed},
		"several verifiers":  {body("e30=", dsse.PayloadTypeInToto, sig, verifier+","+verifier), logMalformed},
		"no signature":       {body("e30=", dsse.PayloadTypeInToto, "", verifier), logMalformed},
		"no verifier":        {body("e30=", dsse.PayloadTypeInToto, sig, ""), logMalformed},
		"no payload type":    {body("e30=", "", sig, verifier), logMalformed},
		"empty signature":    {body("e30=", dsse.PayloadTypeInToto, `{"sig":""}`, verifier), logMalformed},
		"unknown member":     {strings.Replace(body("e30=", dsse.PayloadTypeInToto, sig, verifier), `"payload"`, `"x":1,"payload"`, 1), logMalformed},
		"another payload":    {body("e10K", dsse.PayloadTypeInToto, sig, verifier), logSignature},
		"another type":       {body("e30=", "text/plain", sig, verifier), logSignature},
		"pure Ed25519":       {body("e30=", dsse.PayloadTypeInToto, sig, strings.Replace(verifier, "PKIX_ECDSA_P256_SHA_256", "PKIX_ED25519", 1)), logAlgorithm},
		"unknown algorithm":  {body("e30=", dsse.PayloadTypeInToto, sig, strings.Replace(verifier, "PKIX_ECDSA_P256_SHA_256", "x", 1)), logAlgorithm},
	} {
		checkProblem(t, name, post(try.body), 400, codeInvalid, try.message)
	}
}

// TestLogRefusesCostlyCertificates checks that a certificate that would take many times its size
// to parse is refused unparsed, and is not written to the server's log.
func TestLogRefusesCostlyCertificates(t *testing.T) {
	testkit.Sequential(t)
	t.Parallel()
	v := newVictim(t)
	digest, uri := b64(make([]byte, 32)), strings.Repeat("\x01", 5<<20)
	before, start := len(v.log.String()), time.Now()
	a := v.post(t, "/api/v2/log/entries", "application/json",
		entryText(digest, "AQID", sigalg.ECDSAP256SHA256, `"x509Certificate":{"rawBytes":"`+b64([]byte(uri))+`"}`))
	checkProblem(t, "5 MiB", a, 400, codeInvalid, logTooLarge)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	key := testkit.P256(t)
	template.UnknownExtKeyUsage = append(template.UnknownExtKeyUsage, manyArcs(40_000))
	der := testkit.Must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	checkProblem(t, "many arcs", v.post(t, "/api/v2/log/entries", "application/json",
		entryText(digest, "AQID", sigalg.ECDSAP256SHA256, `"x509Certificate":{"rawBytes":"`+b64(der)+`"}`)), 400, codeInvalid, logSignature)
	if grew, took := len(v.log.String())-before, time.Since(start); grew > 4000 || took > 20*time.Second {
		t.Errorf("%d bytes in the log, %v", grew, took)
	}
}

// manyArcs returns the object identifier 1.2.1.1.1… with n arcs.
func manyArcs(n int) []int {
	oid := make([]int, n)
	for k := range oid {
		oid[k] = 1
	}
	oid[1] = 2
	return oid
}
