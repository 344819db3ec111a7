// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	coreos "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

const (
	alice    = "alice@example.com"
	password = "correct horse battery"
	loopback = "http://localhost:12345/auth/callback"
)

// A running is an issuer behind a socket, with the account of alice.
type running struct {
	*Issuer
	log  *buffer
	mu   sync.Mutex
	skew time.Duration // added to the machine's time
}

// A buffer is a log that handlers may write to while a test reads it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (r *running) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.skew)
}

func (r *running) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skew += d
}

// rsaKey is shared, because generating an RSA key takes long.
var rsaKey = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func testLimits() Limits {
	return Limits{
		Account:    admission.Rate{Burst: 10, Pause: 30 * time.Second},
		AllAccount: admission.Rate{Burst: 30, Pause: 10 * time.Second},
		Address:    admission.Rate{Burst: 100, Pause: time.Second},
		Devices:    admission.Rate{Burst: 20, Pause: time.Second},
	}
}

// addressed sets the address of a client from X-Forwarded-For.
func addressed(h http.Handler) http.Handler {
	proxies := admission.Proxies{netip.MustParsePrefix("127.0.0.0/8")}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(admission.WithClient(r.Context(), proxies.Client(r))))
	})
}

// from returns a browser at an address.
func from(t testing.TB, address string) *http.Client {
	t.Helper()
	c := browse(t)
	c.Transport = forwarded(address)
	return c
}

// A forwarded is a transport that sets X-Forwarded-For, as proxies do.
type forwarded string

func (f forwarded) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", string(f))
	return http.DefaultTransport.RoundTrip(r)
}

func run(t testing.TB) *running {
	t.Helper()
	dir := t.TempDir()
	if err := openCheap(t, dir).Add(alice, []byte(password)); err != nil {
		t.Fatal(err)
	}
	return runOn(t, nil, dir)
}

// runOn runs an issuer with the accounts in a directory of a disk.
func runOn(t testing.TB, disk durable.FS, dir string) *running {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	r := &running{log: new(buffer)}
	var err error
	r.Issuer, err = New(Options{
		URL: "http://" + server.Listener.Addr().String(), RSA: rsaKey(), ECDSA: testkit.P256(t), Clients: []Client{{ID: "es256", Algorithm: "ES256"}}, Dir: dir, FS: disk, Clock: r.now,
		Limits: testLimits(), Logger: slog.New(slog.NewTextHandler(r.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = addressed(r.Handler())
	server.Start()
	t.Cleanup(server.Close)
	return r
}

// browse returns a browser that keeps cookies and does not follow redirects.
func browse(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// An answer is a response with its body.
type answer struct {
	*http.Response
	body string
}

func read(t testing.TB, resp *http.Response, err error) answer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, string(body)}
}

func (r *running) get(t testing.TB, c *http.Client, path string) answer {
	t.Helper()
	resp, err := c.Get(r.url + path)
	return read(t, resp, err)
}

func (r *running) post(t testing.TB, c *http.Client, path string, form url.Values) answer {
	t.Helper()
	resp, err := c.PostForm(r.url+path, form)
	return read(t, resp, err)
}

// field returns the sealed field of a page.
func field(t testing.TB, page answer) string {
	t.Helper()
	found := regexp.MustCompile(`name="request" value="([^"]+)"`).FindStringSubmatch(page.body)
	if found == nil {
		t.Fatalf("%s: no sealed field in %s", page.Status, page.body)
	}
	return found[1]
}

// relyingParty returns a client made of golang.org/x/oauth2 and go-oidc, as in cosign.
func (r *running) relyingParty(t testing.TB) (*coreos.Provider, *oauth2.Config) {
	t.Helper()
	provider, err := coreos.NewProvider(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	return provider, &oauth2.Config{
		ClientID: "sigstore", Endpoint: provider.Endpoint(), RedirectURL: loopback, Scopes: []string{"openid", "email"},
	}
}

func TestRelyingPartyOfOthers(t *testing.T) {
	r := run(t)
	provider, config := r.relyingParty(t)
	verifier := oauth2.GenerateVerifier()
	address := config.AuthCodeURL("the state", oauth2.S256ChallengeOption(verifier), coreos.Nonce("the nonce"))
	browser := browse(t)
	page := r.get(t, browser, strings.TrimPrefix(address, r.url))
	back := r.post(t, browser, passwordPath, url.Values{"request": {field(t, page)}, "email": {alice}, "password": {password}})
	to, err := back.Location()
	if err != nil || back.StatusCode != http.StatusSeeOther || to.Query().Get("state") != "the state" {
		t.Fatalf("%s to %v, %v", back.Status, to, err)
	}
	tokens, err := config.Exchange(t.Context(), to.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := provider.Verifier(&coreos.Config{ClientID: "sigstore"}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
	}
	list, listErr := r.accounts.List()
	if err := token.Claims(&claims); err != nil || listErr != nil || claims.Email != alice || !claims.Verified ||
		token.Subject != list[0].Subject || token.Nonce != "the nonce" || token.VerifyAccessToken(tokens.AccessToken) != nil {
		t.Errorf("%+v %+v, %v, %v", token, claims, err, listErr)
	}
	if life := token.Expiry.Sub(token.IssuedAt); life != tokenLife {
		t.Errorf("token lives %s", life)
	}
	info, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(tokens))
	if err != nil || info.Email != alice || info.Subject != token.Subject {
		t.Errorf("userinfo %+v, %v", info, err)
	}
	if _, err := config.Exchange(t.Context(), to.Query().Get("code"), oauth2.VerifierOption(verifier)); err == nil {
		t.Error("a code was accepted twice")
	}
	for _, secret := range []string{password, raw, tokens.AccessToken, to.Query().Get("code"), verifier} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

func TestUserinfoTakesAccessTokensAlone(t *testing.T) {
	r := run(t)
	_, id := r.signIn(t)
	for _, token := range []string{"", "nonsense", id, "eyJhbGciOiJub25lIn0.e30."} {
		req, err := http.NewRequest(http.MethodGet, r.url+userinfoPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if a := read(t, resp, err); a.StatusCode < 400 || strings.Contains(a.body, alice) {
			t.Errorf("%q: %s %s", token, a.Status, a.body)
		}
	}
}

func TestDiscoveryTellsWhatThereIs(t *testing.T) {
	r := run(t)
	a := r.get(t, http.DefaultClient, "/.well-known/openid-configuration")
	for _, want := range []string{
		`"issuer":"` + r.url + `"`, `"device_authorization_endpoint":"` + r.url + `/login/device_authorization"`,
		`"code_challenge_methods_supported":["S256"]`, `"id_token_signing_alg_values_supported":["RS256","ES256"]`,
		`"response_types_supported":["code"]`, `"token_endpoint_auth_methods_supported":["none"]`,
		`"grant_types_supported":["authorization_code","urn:ietf:params:oauth:grant-type:device_code"]`,
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%s is not in %s", want, a.body)
		}
	}
	for _, path := range []string{"/login/introspect", "/login/revoke", "/healthz", "/ready", "/login/", "/login/authorize/callback", "/"} {
		if a := r.get(t, http.DefaultClient, path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	_, edKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := testkit.P256(t)
	for what, o := range map[string]Options{
		"http":       {URL: "http://login.example.com", RSA: rsaKey(), ECDSA: key},
		"slash":      {URL: "https://login.example.com/", RSA: rsaKey(), ECDSA: key},
		"path":       {URL: "https://login.example.com/login", RSA: rsaKey(), ECDSA: key},
		"query":      {URL: "https://login.example.com?x", RSA: rsaKey(), ECDSA: key},
		"user":       {URL: "https://me@login.example.com", RSA: rsaKey(), ECDSA: key},
		"no host":    {URL: "https://", RSA: rsaKey(), ECDSA: key},
		"no URL":     {RSA: rsaKey(), ECDSA: key},
		"other":      {URL: "ftp://localhost", RSA: rsaKey(), ECDSA: key},
		"no key":     {URL: "https://login.example.com"},
		"Ed25519":    {URL: "https://login.example.com", RSA: rsaKey(), ECDSA: edKey},
		"P-384":      {URL: "https://login.example.com", RSA: rsaKey(), ECDSA: p384},
		"bad folder": {URL: "https://login.example.com", RSA: rsaKey(), ECDSA: key, Dir: "/dev/null/x"},
	} {
		if o.Dir == "" {
			o.Dir = t.TempDir()
		}
		if _, err := New(o); err == nil {
			t.Errorf("%s: was taken", what)
		}
	}
	for what, o := range map[string]Options{
		"https":     {URL: "https://login.example.com", RSA: rsaKey(), ECDSA: key},
		"loopback":  {URL: "http://localhost:8080", RSA: rsaKey(), ECDSA: key},
		"in a test": {URL: "http://login.example.com:8080", RSA: rsaKey(), ECDSA: key, InsecureHTTPUnsafe: true},
	} {
		o.Dir = t.TempDir()
		if _, err := New(o); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// BenchmarkNew measures the start of the login, which may take 10 ms: an instance for a test
// must start in less than 100 ms.
func BenchmarkNew(b *testing.B) {
	o := Options{URL: "https://login.example.com", RSA: rsaKey(), ECDSA: testkit.P256(b), Dir: b.TempDir()}
	for b.Loop() {
		if _, err := New(o); err != nil {
			b.Fatal(err)
		}
	}
}
