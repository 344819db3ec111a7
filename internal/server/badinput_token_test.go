// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	stdjson "encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

// TestCARefusesClaims checks that unacceptable tokens are refused, although the login's key has
// signed them.
func TestCARefusesClaims(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	key, now := testkit.P256(t), time.Now()
	host := strings.TrimPrefix(v.URL, "http://")
	for name, changes := range map[string]map[string]any{
		"expired":             {"exp": now.Add(-time.Minute).Unix()},
		"no expiry":           {"exp": nil},
		"expiry a string":     {"exp": fmt.Sprint(now.Add(time.Hour).Unix())},
		"expiry before 1970":  {"exp": -1e300},
		"not yet valid":       {"nbf": now.Add(time.Hour).Unix()},
		"of the future":       {"iat": now.Add(time.Hour).Unix()},
		"of no time":          {"iat": nil},
		"another audience":    {"aud": "other"},
		"audience's case":     {"aud": "Sigstore"},
		"audience and more":   {"aud": "sigstore "},
		"no audience":         {"aud": nil},
		"empty list":          {"aud": []string{}},
		"list of others":      {"aud": []string{"sigstore2", "sig"}},
		"list in a list":      {"aud": []any{[]string{"sigstore"}}},
		"audience an object":  {"aud": map[string]any{"sigstore": true}},
		"issuer with a slash": {"iss": v.URL + "/"},
		"issuer's prefix":     {"iss": v.URL[:len(v.URL)-1]},
		"issuer and more":     {"iss": v.URL + "0"},
		"issuer below":        {"iss": v.URL + "/login"},
		"issuer with a query": {"iss": v.URL + "?"},
		"issuer's case":       {"iss": "HTTP://" + host},
		"issuer with a user":  {"iss": "http://x@" + host},
		"https":               {"iss": "https://" + host},
		"localhost":           {"iss": strings.Replace(v.URL, "127.0.0.1", "localhost", 1)},
		"no issuer":           {"iss": nil},
		"issuer a list":       {"iss": []string{v.URL}},
		"unverified":          {"email_verified": false},
		"verified a string":   {"email_verified": "true"},
		"verified a number":   {"email_verified": 1},
		"verified null":       {"email_verified": nil},
		"no email":            {"email": nil},
		"email empty":         {"email": ""},
		"email a list":        {"email": []string{alice}},
		"no sub":              {"sub": nil},
		"sub a number":        {"sub": 7},
		"control character":   {"email": "alice\x1b[2J@example.com"},
		"NUL":                 {"email": "alice@example.com\x00.evil.example"},
		"line break":          {"email": "alice@example.com\n"},
		"Cyrillic":            {"email": "\u0430lice@example.com"},
		"full width":          {"email": "alice\uff20example.com"},
		"right to left":       {"email": "alice@example.com\u202emoc.live"},
		"zero width":          {"email": "alice\u200b@example.com"},
		"very long":           {"email": strings.Repeat("a", 5000) + "@example.com"},
		"two @":               {"email": "alice@example.com@evil.example"},
		"two addresses":       {"email": "alice@example.com,mallory@evil.example"},
		"a name":              {"email": "Alice <alice@example.com>"},
		"quotes":              {"email": `"alice"@example.com`},
		"a space":             {"email": " alice@example.com"},
		"no domain":           {"email": "alice@"},
	} {
		email, _ := changes["email"].(string)
		if email == "" {
			email = alice
		}
		token := v.SignToken(t, v.claims(changes))
		checkProblem(t, name, v.certify(t, certRequest(t, token, key, email)), 401, codeUnauthenticated, caToken)
	}
	v.checkCertificates(t, 0)
}

// TestCATakesClaims checks that unusual but valid tokens are accepted.
func TestCATakesClaims(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	key := testkit.P256(t)
	for name, changes := range map[string]map[string]any{
		"nothing unusual":       nil,
		"audience among others": {"aud": []string{"other", "sigstore"}},
		"parts of seconds":      {"exp": float64(time.Now().Unix()) + 60.5},
		"clock 10 s ahead":      {"iat": time.Now().Add(10 * time.Second).Unix()},
		"unknown claims":        {"groups": []string{"a"}, "x": map[string]any{"y": nil}},
	} {
		if a := v.certify(t, certRequest(t, v.SignToken(t, v.claims(changes)), key, alice)); a.status != 200 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// TestCARefusesForgedTokens checks that tokens with an invalid signature are refused.
func TestCARefusesForgedTokens(t *testing.T) {
	t.Parallel()
	v, other := newVictim(t), hallmarktest.New(t)
	key := testkit.P256(t)
	good := v.Token(t, alice)
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	enc := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	mallory := strings.Replace(string(testkit.Must(base64.RawURLEncoding.DecodeString(payload))(t)), `"email":"alice`, `"email":"mallory`, 1)
	hs256 := func(secret []byte) string {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(enc(`{"alg":"HS256"}`) + "." + payload))
		return enc(`{"alg":"HS256"}`) + "." + payload + "." + enc(string(mac.Sum(nil)))
	}
	public := v.loginKeys(t)
	for name, token := range map[string]string{
		"none":                   enc(`{"alg":"none"}`) + "." + payload + ".",
		"none with a signature":  enc(`{"alg":"none"}`) + "." + payload + "." + signature,
		"None":                   enc(`{"alg":"None"}`) + "." + payload + "." + signature,
		"HS256 with the key":     hs256(public[1]),
		"HS256 with the RSA key": hs256(public[0]),
		"HS256 with its PEM":     hs256([]byte(publicPEM(public[1]))),
		"HS256 with the RSA PEM": hs256([]byte(publicPEM(public[0]))),
		"RS256":                  enc(`{"alg":"RS256"}`) + "." + payload + "." + signature,
		"ES384":                  enc(`{"alg":"ES384"}`) + "." + payload + "." + signature,
		"no alg":                 enc(`{}`) + "." + payload + "." + signature,
		"alg twice":              enc(`{"alg":"ES256","alg":"none"}`) + "." + payload + "." + signature,
		"crit":                   enc(`{"alg":"ES256","crit":["x"],"x":1}`) + "." + payload + "." + signature,
		"a key inside":           v.tokenWithKey(t, key),
		"tampered payload":       header + "." + enc(mallory) + "." + signature,
		"signature flipped":      good[:len(good)-10] + "AAAA" + good[len(good)-6:],
		"signature of zeros":     header + "." + payload + "." + enc(strings.Repeat("\x00", 64)),
		"signature cut":          header + "." + payload + "." + signature[:20],
		"signature in DER":       header + "." + payload + "." + enc("\x30\x06\x02\x01\x01\x02\x01\x01"),
		"no signature":           header + "." + payload + ".",
		"two parts":              header + "." + payload,
		"five parts":             good + "..",
		"padding":                good + "=",
		"line break":             header + ".\n" + payload + "." + signature,
		"a space":                " " + good,
		"JSON serialization":     `{"payload":"` + payload + `"}`,
		"payload twice":          header + "." + enc(`{"iss":"x",`+mallory[1:]) + "." + signature,
		"no token":               "",
		"nonsense":               "nonsense",
		"sixteen thousand dots":  strings.Repeat(".", 16_000),
		"by another instance":    other.Token(t, alice),
		"of another, for us":     other.SignToken(t, v.claims(nil)),
	} {
		checkProblem(t, name, v.certify(t, certRequest(t, token, key, alice)), 401, codeUnauthenticated, caToken)
		if !strings.ContainsAny(token, "\n") && !strings.HasPrefix(token, " ") && token != "" {
			checkProblem(t, name+", in the header", v.certify(t, certRequest(t, "", key, alice), "Authorization", "Bearer "+token), 401, codeUnauthenticated, caToken)
		}
	}
	v.checkCertificates(t, 0)
}

// tokenWithKey returns a token that is signed by the key in its own header, which proves
// nothing.
func (v *victim) tokenWithKey(t testing.TB, key *ecdsa.PrivateKey) string {
	t.Helper()
	raw := testkit.Must(key.PublicKey.Bytes())(t)
	enc := base64.RawURLEncoding.EncodeToString
	head := fmt.Sprintf(`{"alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":%q,"y":%q}}`, enc(raw[1:33]), enc(raw[33:]))
	text := enc([]byte(head)) + "." + enc(testkit.Must(json.Marshal(v.claims(nil)))(t))
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + enc(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// loginKeys returns the keys that the login publishes, in DER: RSA, then ECDSA.
func (v *victim) loginKeys(t *testing.T) [][]byte {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := stdjson.Unmarshal([]byte(v.get(t, "/login/keys").body), &set); err != nil || len(set.Keys) != 2 {
		t.Fatal(err, set)
	}
	return [][]byte{testkit.Must(x509.MarshalPKIXPublicKey(set.Keys[0].Key))(t), testkit.Must(x509.MarshalPKIXPublicKey(set.Keys[1].Key))(t)}
}

// TestCARefusesAuthorization checks that tokens that are too large, and headers other than a
// single Bearer, are refused.
func TestCARefusesAuthorization(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	key := testkit.P256(t)
	good := v.Token(t, alice)
	bare := certRequest(t, "", key, alice)
	dots := strings.Repeat(".", 1_000_000)
	checkProblem(t, "a million dots in the body", v.certify(t, certRequest(t, dots, key, alice)), 413, codeInvalid, "request is larger than 64 KiB")
	a := v.raw(t, "POST /api/v2/signingCert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer "+dots+"\r\nContent-Length: 2\r\n\r\n{}")
	if a.status != 431 || a.body != "431 Request Header Fields Too Large" {
		t.Errorf("a million dots in the header: %d %.200s", a.status, a.body)
	}
	checkProblem(t, "17 KiB in the body", v.certify(t, certRequest(t, dots[:17<<10], key, alice)), 400, codeInvalid, caHeader)
	for name, header := range map[string]string{
		"17 KiB": "Bearer " + dots[:17<<10], "Basic": "Basic " + good, "no scheme": good, "empty": "",
	} {
		checkProblem(t, name, v.certify(t, bare, "Authorization", header), 400, codeInvalid, caHeader)
	}
	checkProblem(t, "two headers", v.certify(t, bare, "Authorization", "Bearer "+good, "Authorization", "Bearer "+good), 400, codeInvalid, caHeader)
	checkProblem(t, "two tokens", v.certify(t, certRequest(t, good, key, alice), "Authorization", "Bearer "+v.Token(t, "mallory@example.com")),
		400, codeInvalid, "ID tokens of Authorization and credentials differ")
	checkProblem(t, "Bearer of nothing", v.certify(t, bare, "Authorization", "Bearer"), 401, codeUnauthenticated, caToken)
	checkProblem(t, "none at all", v.certify(t, bare), 401, codeUnauthenticated, caToken)
	v.checkCertificates(t, 0)
}
