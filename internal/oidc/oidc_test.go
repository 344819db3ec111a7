// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
)

// A provider is an issuer behind a socket, with one key of each kind.
type provider struct {
	*httptest.Server
	keys map[string]crypto.Signer // by algorithm
	skew atomic.Int64             // added to the checker's time

	discoveries, sets atomic.Int32 // number of requests
	serve             atomic.Pointer[http.HandlerFunc]

	mu  sync.Mutex
	set jose.JSONWebKeySet
}

func run(t testing.TB) *provider {
	t.Helper()
	p := &provider{keys: map[string]crypto.Signer{}}
	rsaKey := testkit.RSA(t, 2048)
	for _, algorithm := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		p.keys[algorithm] = rsaKey
	}
	for algorithm, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		p.keys[algorithm] = testkit.Key(t, curve)
	}
	var err error
	if _, p.keys["EdDSA"], err = generateEd25519(); err != nil {
		t.Fatal(err)
	}
	for algorithm, key := range p.keys {
		p.publish(algorithm, key.Public())
	}
	p.Server = httptest.NewServer(http.HandlerFunc(p.answer))
	t.Cleanup(p.Close)
	return p
}

func generateEd25519() (ed25519.PublicKey, crypto.Signer, error) {
	public, private, err := ed25519.GenerateKey(nil)
	return public, private, err
}

func (p *provider) publish(id string, key crypto.PublicKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set.Keys = append(p.set.Keys, jose.JSONWebKey{Key: key, KeyID: id, Use: "sig"})
}

func (p *provider) answer(w http.ResponseWriter, r *http.Request) {
	if other := p.serve.Load(); other != nil {
		(*other)(w, r)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		p.discoveries.Add(1)
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"other":[1]}`, p.URL, p.URL+"/keys")
	case "/keys":
		p.sets.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		json.NewEncoder(w).Encode(p.set)
	default:
		http.NotFound(w, r)
	}
}

// checker returns a checker that trusts the provider as an email issuer.
func (p *provider) checker(t testing.TB) *Checker {
	t.Helper()
	return p.checkerOf(t, Issuer{URL: p.URL, Audience: "sigstore", Type: typeEmail})
}

func (p *provider) checkerOf(t testing.TB, issuers ...Issuer) *Checker {
	t.Helper()
	c, err := New(Options{Issuers: issuers, Clock: func() time.Time { return time.Now().Add(time.Duration(p.skew.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p *provider) pass(d time.Duration) { p.skew.Add(int64(d)) }

// claims returns the claims of a valid token, with changes: a nil value drops a claim.
func (p *provider) claims(changes map[string]any) map[string]any {
	now := time.Now().Add(time.Duration(p.skew.Load())).Unix()
	all := map[string]any{
		"iss": p.URL, "aud": "sigstore", "sub": "subject", "iat": now, "exp": now + 600,
		"email": "alice@example.com", "email_verified": true,
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

func (p *provider) token(t testing.TB, changes map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(p.claims(changes))
	if err != nil {
		t.Fatal(err)
	}
	return sign(t, "ES256", p.keys["ES256"], "ES256", payload)
}

func sign(t testing.TB, algorithm string, key any, id string, payload []byte) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(algorithm), Key: jose.JSONWebKey{Key: key, KeyID: id},
	}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func isUnavailable(err error) bool {
	var u interface{ Unavailable() bool }
	return errors.As(err, &u) && u.Unavailable()
}

// refuses checks that a token is refused, and that the error quotes nothing of it.
func refuses(t testing.TB, c *Checker, what, token string) {
	t.Helper()
	id, challenge, err := c.Check(t.Context(), token)
	if err == nil || isUnavailable(err) || id != (identity.Identity{}) || challenge != nil {
		t.Errorf("%s: %v %q, %v", what, id, challenge, err)
		return
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 && strings.Contains(err.Error(), part) {
			t.Errorf("%s: the error quotes the token: %v", what, err)
		}
	}
	if strings.Contains(err.Error(), "alice") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%s: the error quotes a claim: %v", what, err)
	}
}

func TestEveryAlgorithm(t *testing.T) {
	p := run(t)
	c := p.checker(t)
	payload, err := json.Marshal(p.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := identity.Identity{Issuer: p.URL, Subject: identity.Subject{Type: identity.Email, Value: "alice@example.com"}}
	for _, algorithm := range algorithms() {
		id, challenge, err := c.Check(t.Context(), sign(t, algorithm, p.keys[algorithm], algorithm, payload))
		if err != nil || id != want || challenge[0] != "alice@example.com" {
			t.Errorf("%s: %v %q, %v", algorithm, id, challenge, err)
		}
	}
	if id, _, err := c.Check(t.Context(), sign(t, "ES256", p.keys["ES256"], "", payload)); err != nil || id != want {
		t.Errorf("without a key id: %v, %v", id, err)
	}
	if d, s := p.discoveries.Load(), p.sets.Load(); d != 1 || s != 1 {
		t.Errorf("the issuer was asked %d and %d times", d, s)
	}
	refuses(t, c, "HMAC with a public key", sign(t, "HS256", []byte(p.URL+" is 32 bytes long, or longer"), "ES256", payload))
	refuses(t, c, "another key", sign(t, "ES384", p.keys["ES384"], "ES256", payload))
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
	refuses(t, c, "none", none)
	refuses(t, c, "none with a signature", none+"AAAA")
}

func TestClaimsRefused(t *testing.T) {
	p := run(t)
	c := p.checker(t)
	now := time.Now().Unix()
	for _, bad := range []struct {
		claim string
		value any
	}{
		{"iss", nil}, {"iss", ""}, {"iss", p.URL + "/"}, {"iss", strings.ToUpper(p.URL)}, {"iss", p.URL + ".evil.example.com"}, {"iss", []string{p.URL}},
		{"aud", nil}, {"aud", ""}, {"aud", "Sigstore"}, {"aud", "sigstore2"}, {"aud", "sigstor"}, {"aud", []string{}}, {"aud", []string{"other"}},
		{"aud", 1}, {"aud", map[string]any{"sigstore": true}},
		{"exp", nil}, {"exp", now - 3600}, {"exp", 0}, {"exp", -1e300}, {"exp", "9999999999"}, {"exp", true},
		{"iat", nil}, {"iat", now + 3600}, {"nbf", now + 120}, {"nbf", 1e300}, {"iat", "1"},
		{"sub", nil}, {"sub", ""}, {"sub", 7},
		{"email", nil}, {"email", ""}, {"email", "alice"}, {"email", "alice@example.com@evil.example.com"}, {"email", "alice@"},
		{"email", "alice@example.com, eve@example.com"}, {"email", "Alice <alice@example.com>"}, {"email", "alice@exämple.com"},
		{"email", "alice@example.com\x00.evil.example.com"}, {"email", "alice@example.com\n"}, {"email", []string{"alice@example.com"}},
		{"email", strings.Repeat("a", 400) + "@example.com"},
		{"email_verified", nil}, {"email_verified", false}, {"email_verified", "true"}, {"email_verified", 1}, {"email_verified", []bool{true}},
	} {
		refuses(t, c, fmt.Sprintf("%s=%v", bad.claim, bad.value), p.token(t, map[string]any{bad.claim: bad.value}))
	}
	for _, good := range []struct {
		claim string
		value any
	}{
		{"aud", []string{"sigstore"}}, {"aud", []string{"account", "sigstore"}}, {"exp", float64(now) + 0.5},
		{"nbf", now}, {"iat", now + 10}, {"groups", []string{"a"}},
	} {
		if _, _, err := c.Check(t.Context(), p.token(t, map[string]any{good.claim: good.value})); err != nil {
			t.Errorf("%s=%v: %v", good.claim, good.value, err)
		}
	}
}

// TestEmailVerifiedString shows that the string "true" counts where the operator says so.
func TestEmailVerifiedString(t *testing.T) {
	p := run(t)
	c := p.checkerOf(t, Issuer{URL: p.URL, Audience: "sigstore", Type: typeEmail, EmailVerifiedString: true})
	for _, good := range []any{true, "true"} {
		if _, _, err := c.Check(t.Context(), p.token(t, map[string]any{"email_verified": good})); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for _, bad := range []any{nil, false, "false", "TRUE", "True", "1", 1, []string{"true"}} {
		refuses(t, c, fmt.Sprint(bad), p.token(t, map[string]any{"email_verified": bad}))
	}
}

// TestReasons shows that a refusal names the claim and what was expected, and quotes
// nothing of the token.
func TestReasons(t *testing.T) {
	p := run(t)
	c := p.checker(t)
	now := time.Now().Unix()
	for _, bad := range []struct {
		claim string
		value any
		want  string
	}{
		{"iss", "https://secret.example.com", "claim iss is none of the issuers that this authority knows: " + p.URL},
		{"aud", "secret", `claim aud is for another audience, want "sigstore"`},
		{"exp", now - 3600, "claim exp: token expired at 20"},
		{"exp", nil, "claim exp is missing"},
		{"nbf", now + 3600, "claim nbf: token is not valid before 20"},
		{"iat", now + 3600, "claim iat: token was issued at 20"},
		{"sub", nil, "claim sub is missing"},
		{"email", nil, "claim email is missing"},
		{"email", "secret", "claim email is not an address"},
		{"email_verified", nil, "claim email_verified is missing, want true"},
		{"email_verified", "true", `claim email_verified is the string "true"`},
		{"email_verified", false, "claim email_verified is not true"},
	} {
		_, _, err := c.Check(t.Context(), p.token(t, map[string]any{bad.claim: bad.value}))
		var r refusal
		if !errors.As(err, &r) || !strings.HasPrefix(r.ForClient(), bad.want) || strings.Contains(r.ForClient(), "secret") {
			t.Errorf("%s=%v: %v", bad.claim, bad.value, err)
		}
	}
}

func TestTimePasses(t *testing.T) {
	p := run(t)
	c := p.checker(t)
	token := p.token(t, nil)
	p.pass(9 * time.Minute)
	if _, _, err := c.Check(t.Context(), token); err != nil {
		t.Error(err)
	}
	p.pass(2 * time.Minute)
	refuses(t, c, "expired", token)
	p.pass(-12 * time.Minute)
	refuses(t, c, "of the future", token)
}

func TestFormsRefused(t *testing.T) {
	p := run(t)
	c := p.checker(t)
	good := p.token(t, nil)
	parts := strings.Split(good, ".")
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	header := func(text string) string { return encode(text) + "." + parts[1] + "." + parts[2] }
	payload := func(text string) string {
		return sign(t, "ES256", p.keys["ES256"], "ES256", []byte(text))
	}
	object, err := json.Marshal(p.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	claims := strings.TrimSuffix(string(object), "}")
	for what, token := range map[string]string{
		"nothing": "", "dots": "..", "one part": parts[0], "four parts": good + ".", "a million dots": strings.Repeat(".", 1<<20),
		"no header": "." + parts[1] + "." + parts[2], "no payload": parts[0] + ".." + parts[2], "no signature": parts[0] + "." + parts[1] + ".",
		"spaces": " " + good, "a newline": good + "\n", "padding": parts[0] + "=." + parts[1] + "." + parts[2],
		"standard base64": strings.Replace(good, ".", "+.", 1), "JSON form": `{"payload":"` + parts[1] + `"}..`,
		"doubled alg": header(`{"alg":"ES256","alg":"none","kid":"ES256"}`), "crit": header(`{"alg":"ES256","kid":"ES256","crit":["exp"]}`),
		"b64": header(`{"alg":"ES256","kid":"ES256","b64":false}`), "Alg": header(`{"Alg":"ES256"}`), "null header": header("null"),
		"lower alg": header(`{"alg":"es256","kid":"ES256"}`), "array header": header("[]"), "own key": header(`{"alg":"ES256","kid":"x","jwk":{"kty":"EC"}}`),
		"doubled claim": payload(claims + `,"email":"secret@example.com"}`), "doubled issuer": payload(claims + `,"iss":"secret"}`),
		"trailing data": payload(string(object) + "{}"), "null": payload("null"), "array": payload("[" + string(object) + "]"),
		"not UTF-8": payload(claims + ",\"x\":\"\xff\"}"), "empty payload": payload(""), "a string": payload(`"` + p.URL + `"`),
		"too long": p.token(t, map[string]any{"x": strings.Repeat("x", maxToken)}),
	} {
		refuses(t, c, what, token)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	for i := range signature {
		bad := bytes.Clone(signature)
		bad[i] ^= 1
		refuses(t, c, fmt.Sprintf("byte %d of the signature", i), parts[0]+"."+parts[1]+"."+base64.RawURLEncoding.EncodeToString(bad))
	}
}

// TestCheapChecksComeFirst checks that tokens refused without keys cause no request.
func TestCheapChecksComeFirst(t *testing.T) {
	p := run(t)
	c := p.checker(t)
	for _, changes := range []map[string]any{{"iss": "https://evil.example.com"}, {"aud": "other"}, {"exp": 1}, {"iat": 1 << 40}} {
		refuses(t, c, "cheap", p.token(t, changes))
	}
	if p.discoveries.Load() != 0 {
		t.Error("the issuer was asked")
	}
	dots := strings.Repeat(".", maxToken)
	if n := testing.AllocsPerRun(100, func() { c.Check(context.Background(), dots) }); n > 4 {
		t.Errorf("a token of dots costs %v allocations", n)
	}
}

func TestURISubjects(t *testing.T) {
	p := run(t)
	c := p.checkerOf(t, Issuer{URL: p.URL, Audience: "sigstore", Type: typeURI, SubjectDomain: "https://example.com"})
	for _, subject := range []string{"https://example.com/", "https://example.com", "https://example.com/build/7?x=1"} {
		id, challenge, err := c.Check(t.Context(), p.token(t, map[string]any{"sub": subject, "email": nil, "email_verified": nil}))
		if err != nil || len(challenge) != 1 || challenge[0] != subject || id.Subject != (identity.Subject{Type: identity.URI, Value: subject}) {
			t.Errorf("%s: %v %q, %v", subject, id, challenge, err)
		}
	}
	// Clients sign the email of such a token, if it has one, verified or not.
	id, challenges, err := c.Check(t.Context(), p.token(t, map[string]any{"sub": "https://example.com/x", "email_verified": false}))
	if err != nil || !slices.Equal(challenges, []string{"alice@example.com", "https://example.com/x"}) || id.Subject.Value != "https://example.com/x" {
		t.Errorf("with an email: %v %q, %v", id, challenges, err)
	}
	for _, subject := range []string{
		"", "alice", "//example.com/", "http://example.com/", "https://example.com.evil.com/", "https://evil.com/https://example.com/",
		"https://sub.example.com/", "https://example.com:444/", "https://me@example.com/", "https://EXAMPLE.com/", "HTTPS://example.com/",
		"https:example.com", "https://example.com\\@evil.com/", "https://example.com/ü", "https://example.com/\n", "https://example.com/%zz",
	} {
		refuses(t, c, subject, p.token(t, map[string]any{"sub": subject}))
	}
}

func TestConfiguration(t *testing.T) {
	c, err := New(Options{Issuers: []Issuer{
		{URL: "https://b.example.com", Audience: "sigstore", Type: typeEmail},
		{URL: "https://a.example.com/realm/", Audience: "x", Type: typeURI, SubjectDomain: "spiffe://example.com"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := fulcio.Configuration{Issuers: []fulcio.Issuer{
		{URL: "https://b.example.com", Audience: "sigstore", ChallengeClaim: "email", Type: "email"},
		{URL: "https://a.example.com/realm/", Audience: "x", ChallengeClaim: "sub", Type: "uri", SubjectDomain: "spiffe://example.com"},
	}}
	if got := c.Configuration(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	good := Issuer{URL: "https://a.example.com", Audience: "sigstore", Type: typeEmail}
	for what, change := range map[string]func(*Issuer){
		"no URL": func(i *Issuer) { i.URL = "" }, "http": func(i *Issuer) { i.URL = "http://a.example.com" },
		"query": func(i *Issuer) { i.URL += "?x" }, "user": func(i *Issuer) { i.URL = "https://me@a.example.com" },
		"fragment": func(i *Issuer) { i.URL += "#x" }, "no audience": func(i *Issuer) { i.Audience = "" },
		"no type": func(i *Issuer) { i.Type = "" }, "other type": func(i *Issuer) { i.Type = "github-workflow" },
		"domain for email": func(i *Issuer) { i.SubjectDomain = "https://example.com" }, "no domain": func(i *Issuer) { i.Type = typeURI },
		"domain with a path": func(i *Issuer) { i.Type, i.SubjectDomain = typeURI, "https://example.com/" },
		"domain, no scheme":  func(i *Issuer) { i.Type, i.SubjectDomain = typeURI, "example.com" },
	} {
		bad := good
		change(&bad)
		if _, err := New(Options{Issuers: []Issuer{bad}}); err == nil {
			t.Errorf("%s: was taken", what)
		}
	}
	if _, err := New(Options{Issuers: []Issuer{good, good}}); err == nil {
		t.Error("an issuer was accepted twice")
	}
}

func TestLogHasNoToken(t *testing.T) {
	p := run(t)
	var log bytes.Buffer
	c, err := New(Options{
		Issuers: []Issuer{{URL: p.URL, Audience: "sigstore", Type: typeEmail}}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	token := p.token(t, nil)
	if _, _, err := c.Check(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if out := log.String(); !strings.Contains(out, p.URL) || strings.Contains(out, token[:20]) || strings.Contains(out, "alice") {
		t.Error(out)
	}
}

// FuzzCheck checks that nothing panics, and that only the valid token is accepted.
func FuzzCheck(f *testing.F) {
	p := run(f)
	key := p.keys["ES256"]
	c, err := New(Options{
		Issuers: []Issuer{{URL: "https://login.example.com", Audience: "sigstore", Type: typeEmail, Keys: []crypto.PublicKey{key.Public()}}},
		Clock:   func() time.Time { return time.Unix(1_800_000_000, 0) },
	})
	if err != nil {
		f.Fatal(err)
	}
	good := sign(f, "ES256", key, "k", []byte(`{"iss":"https://login.example.com","aud":"sigstore","sub":"s","iat":1800000000,`+
		`"exp":1800000600,"email":"alice@example.com","email_verified":true}`))
	if _, _, err := c.Check(context.Background(), good); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		id, _, err := c.Check(context.Background(), token)
		if err == nil && (id.Subject.Value != "alice@example.com" || strings.Split(token, ".")[1] != strings.Split(good, ".")[1]) {
			t.Errorf("%q was believed", token)
		}
	})
}
