// SPDX-License-Identifier: Apache-2.0

package login

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/client/retry"
	"github.com/hallmark-sign/hallmark/internal/issuer"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Parallel(m) }

const (
	alice  = "alice@example.com"
	secret = "correct horse battery"
)

// runIssuer starts hallmark's own login.
func runIssuer(t testing.TB) Options {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := testkit.RSA(t, 2048)
	dir := t.TempDir()
	accounts, err := issuer.OpenAccountsWith(dir, issuer.AccountsOptions{Cost: issuer.Cost{Time: 1, Memory: 64, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := accounts.Add(alice, []byte(secret)); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	i, err := issuer.New(issuer.Options{URL: "http://" + server.Listener.Addr().String(), RSA: rsaKey, ECDSA: key, Dir: dir, Limits: issuer.UnlimitedUnsafe()})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = i.Handler()
	server.Start()
	t.Cleanup(server.Close)
	return Options{Issuer: server.URL}
}

// isToken checks that a token is alice's.
func isToken(t testing.TB, token string, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if challenge, err := challengeOf(token); err != nil || challenge != alice {
		t.Errorf("%q, %v", challenge, err)
	}
}

func TestPassword(t *testing.T) {
	t.Parallel()
	o := runIssuer(t)
	token, err := Password(t.Context(), o, alice, []byte(secret))
	isToken(t, token, err)
	for email, password := range map[string]string{alice: "something else", "bob@example.com": secret, "": ""} {
		_, err := Password(t.Context(), o, email, []byte(password))
		if !errors.Is(err, ErrPassword) || strings.Contains(err.Error(), "else") {
			t.Errorf("%s: %v", email, err)
		}
	}
	o.ClientID = "other"
	if _, err := Password(t.Context(), o, alice, []byte(secret)); err == nil {
		t.Error("an unknown client got a token")
	}
}

// visitor returns a browser that keeps cookies, for pages without scripts.
func visitor(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// send submits the form of a page and follows redirects.
func send(t testing.TB, c *http.Client, page *http.Response, values url.Values) *http.Response {
	t.Helper()
	body, err := io.ReadAll(page.Body)
	page.Body.Close()
	found := regexp.MustCompile(`(?s)action="([^"]+)".*name="request" value="([^"]+)"`).FindSubmatch(body)
	if err != nil || found == nil {
		t.Fatalf("%s: no form in %s, %v", page.Status, body, err)
	}
	action, err := page.Request.URL.Parse(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	values.Set("request", string(found[2]))
	resp, err := c.PostForm(action.String(), values)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestBrowser(t *testing.T) {
	t.Parallel()
	o := runIssuer(t)
	var out bytes.Buffer
	var last *http.Response
	open := func(address string) error {
		c := visitor(t)
		page, err := c.Get(address)
		if err != nil {
			return err
		}
		last = send(t, c, page, url.Values{"email": {alice}, "password": {secret}})
		return nil
	}
	token, err := Browser(t.Context(), o, open, &out)
	isToken(t, token, err)
	body, err := io.ReadAll(last.Body)
	last.Body.Close()
	if err != nil || !bytes.Contains(body, []byte("You may close this page")) || strings.Contains(out.String(), token) {
		t.Errorf("%s, %s, %v", body, &out, err)
	}
}

// TestBrowserIgnoresOthers checks that a response without the attempt's state does not end the
// wait, and one with an error does.
func TestBrowserIgnoresOthers(t *testing.T) {
	t.Parallel()
	o := runIssuer(t)
	open := func(address string) error {
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		back, state := u.Query().Get("redirect_uri"), u.Query().Get("state")
		for _, query := range []string{"", "?code=x", "?code=x&state=guessed", "?error=access_denied"} {
			resp, err := http.Get(back + query)
			if err != nil {
				return err
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %s", query, resp.Status)
			}
		}
		resp, err := http.Get(back + "?error=access_denied&error_description=no%1b[31m&state=" + state)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	_, err := Browser(t.Context(), o, open, io.Discard)
	var refused *Refused
	if !errors.As(err, &refused) || refused.Code != "access_denied" || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var out bytes.Buffer
	if _, err := Browser(ctx, o, nil, &out); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(out.String(), o.Issuer) {
		t.Errorf("%v, %s", err, &out)
	}
}

// A reader receives the output of Device, for a test that acts on it.
type reader struct {
	mu    sync.Mutex
	text  strings.Builder
	found chan [2]string // address and code
}

// Write looks for the address and the code.
func (r *reader) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Write(p)
	if m := regexp.MustCompile(`(?s)(http://\S+)\n.*code: (\S+)\n`).FindStringSubmatch(r.text.String()); m != nil {
		select {
		case r.found <- [2]string{m[1], m[2]}:
		default:
		}
	}
	return len(p), nil
}

func TestDevice(t *testing.T) {
	t.Parallel()
	o := runIssuer(t)
	for _, answer := range []string{"allow", "deny"} {
		out := &reader{found: make(chan [2]string, 1)}
		var wg sync.WaitGroup
		wg.Go(func() {
			told := <-out.found
			c := visitor(t)
			page, err := c.Get(told[0])
			if err != nil {
				t.Error(err)
				return
			}
			page = send(t, c, page, url.Values{"user_code": {told[1]}})
			send(t, c, page, url.Values{"email": {alice}, "password": {secret}, "answer": {answer}}).Body.Close()
		})
		token, err := Device(t.Context(), o, out)
		wg.Wait()
		if answer == "allow" {
			isToken(t, token, err)
			continue
		}
		var refused *Refused
		if !errors.As(err, &refused) || refused.Code != "access_denied" {
			t.Errorf("denied: %v", err)
		}
	}
}

// odd returns an issuer with the given responses by path, in which "ISSUER" is its URL.
func odd(t testing.TB, answers map[string]string) Options {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		status := http.StatusOK
		if code, rest, ok := strings.Cut(answer, "|"); ok {
			fmt.Sscan(code, &status)
			answer = rest
		}
		w.WriteHeader(status)
		io.WriteString(w, strings.ReplaceAll(answer, "ISSUER", server.URL))
	}))
	t.Cleanup(server.Close)
	return Options{Issuer: server.URL}
}

const discovery = "/.well-known/openid-configuration"

func TestOddIssuers(t *testing.T) {
	good := `{"issuer":"ISSUER","authorization_endpoint":"ISSUER/a","token_endpoint":"ISSUER/t","device_authorization_endpoint":"ISSUER/d"}`
	unsigned := func(claims string) string {
		return "eyJhbGciOiJFUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".AAAA"
	}
	device := `{"device_code":"d","user_code":"u","verification_uri":"ISSUER/v","interval":1,"expires_in":60}`
	for what, answers := range map[string]map[string]string{
		"no document":      {},
		"not JSON":         {discovery: "<html>"},
		"another issuer":   {discovery: `{"issuer":"https://evil.example.com"}`},
		"doubled member":   {discovery: `{"issuer":"ISSUER","issuer":"ISSUER"}`},
		"long":             {discovery: strings.Repeat(" ", maxResponse) + good},
		"redirect":         {discovery: "302|"},
		"no device flow":   {discovery: `{"issuer":"ISSUER"}`},
		"device by http":   {discovery: `{"issuer":"ISSUER","device_authorization_endpoint":"http://example.com/"}`},
		"no user code":     {discovery: good, "/d": `{"device_code":"d","verification_uri":"ISSUER/v"}`},
		"odd address":      {discovery: good, "/d": `{"device_code":"d","user_code":"u","verification_uri":"javascript:alert(1)"}`},
		"refused":          {discovery: good, "/d": `400|{"error":"invalid_client"}`},
		"no token":         {discovery: good, "/d": device, "/t": `{"access_token":"a"}`},
		"token is no JWT":  {discovery: good, "/d": device, "/t": `{"id_token":"a"}`},
		"token of others":  {discovery: good, "/d": device, "/t": `{"id_token":"` + unsigned(`{"iss":"https://evil.example.com","aud":"sigstore"}`) + `"}`},
		"token for others": {discovery: good, "/d": device, "/t": `{"id_token":"` + unsigned(`{"iss":"http://x","aud":"other"}`) + `"}`},
		"access denied":    {discovery: good, "/d": device, "/t": `400|{"error":"access_denied"}`},
		"server error":     {discovery: good, "/d": device, "/t": `500|oops`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel() // some wait for a poll
			if token, err := Device(t.Context(), odd(t, answers), io.Discard); err == nil {
				t.Errorf("a token: %q", token)
			}
		})
	}
	if _, err := Device(t.Context(), odd(t, map[string]string{discovery: "503|"}), io.Discard); !errors.Is(err, retry.ErrUnavailable) {
		t.Errorf("busy: %v", err)
	}
	for _, url := range []string{"", "login.example.com", "http://login.example.com", "ftp://localhost", "https://me:pw@login.example.com"} {
		if _, err := Device(t.Context(), Options{Issuer: url}, io.Discard); err == nil || errors.Is(err, retry.ErrUnavailable) {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := Device(t.Context(), Options{Issuer: "http://127.0.0.1:1"}, io.Discard); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("no listener: %v", err)
	}
}

func TestNonceIsChecked(t *testing.T) {
	t.Parallel()
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"http://localhost:1","aud":["sigstore"],"nonce":"another"}`))
	o := odd(t, map[string]string{"/t": `{"id_token":"e30.` + payload + `.AAAA"}`})
	s := &session{issuer: "http://localhost:1", clientID: "sigstore", http: limitedClient(nil), endpoints: endpoints{Token: o.Issuer + "/t"}}
	a := newAttempt("http://127.0.0.1/")
	if _, err := s.redeem(t.Context(), a, url.Values{"state": {a.state}, "code": {"c"}}); err == nil || !strings.Contains(err.Error(), "nonce") {
		t.Errorf("another nonce: %v", err)
	}
	a.nonce = "another"
	if _, err := s.redeem(t.Context(), a, url.Values{"state": {a.state}, "code": {"c"}}); err != nil {
		t.Errorf("the nonce: %v", err)
	}
	if _, err := s.redeem(t.Context(), a, url.Values{"state": {"x"}, "code": {"c"}}); err == nil {
		t.Error("another state was accepted")
	}
	if _, err := s.redeem(t.Context(), a, url.Values{"state": {a.state}}); err == nil {
		t.Error("a response without a code was accepted")
	}
}

func TestPasswordNeedsHallmarksPage(t *testing.T) {
	t.Parallel()
	good := `{"issuer":"ISSUER","authorization_endpoint":"ISSUER/a","token_endpoint":"ISSUER/t"}`
	for what, answers := range map[string]map[string]string{
		"another page":     {discovery: good, "/a": `<form action="/login"><input name="request" value="x">`},
		"no field":         {discovery: good, "/a": `<form action="/login/password">`},
		"page is away":     {discovery: good},
		"redirect away":    {discovery: good, "/a": `<form action="/login/password"><input name="request" value="x">`, "/login/password": "303|"},
		"no redirect":      {discovery: good, "/a": `<form action="/login/password"><input name="request" value="x">`, "/login/password": "200|"},
		"elsewhere":        {discovery: `{"issuer":"ISSUER","authorization_endpoint":"http://example.com/"}`},
		"too many guesses": {discovery: good, "/a": `<form action="/login/password"><input name="request" value="x">`, "/login/password": "429|"},
	} {
		if _, err := Password(t.Context(), odd(t, answers), alice, []byte(secret)); err == nil || errors.Is(err, ErrPassword) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
