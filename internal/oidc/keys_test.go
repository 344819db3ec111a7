// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client/login"
	"github.com/hallmark-sign/hallmark/internal/issuer"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

// TestBuiltInIssuer checks that tokens of the built-in login are accepted, by its keys and by
// discovery.
func TestBuiltInIssuer(t *testing.T) {
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
	if err := accounts.Add("alice@example.com", []byte("correct horse battery")); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	builtIn, err := issuer.New(issuer.Options{URL: "http://" + server.Listener.Addr().String(), RSA: rsaKey, ECDSA: key, Dir: dir, Limits: issuer.UnlimitedUnsafe()})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = builtIn.Handler()
	server.Start()
	t.Cleanup(server.Close)
	token, err := login.Password(t.Context(), login.Options{Issuer: server.URL}, "alice@example.com", []byte("correct horse battery"))
	if err != nil {
		t.Fatal(err)
	}
	for _, keys := range [][]crypto.PublicKey{nil, builtIn.PublicKeys()} {
		c, err := New(Options{Issuers: []Issuer{{URL: server.URL, Audience: "sigstore", Type: typeEmail, Keys: keys}}})
		if err != nil {
			t.Fatal(err)
		}
		if id, challenge, err := c.Check(t.Context(), token); err != nil || challenge[0] != "alice@example.com" || id.Issuer != server.URL {
			t.Errorf("%v %q, %v", id, challenge, err)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	p := run(t)
	c := p.checker(t)
	if _, _, err := c.Check(t.Context(), p.token(t, nil)); err != nil {
		t.Fatal(err)
	}
	fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.publish("new", fresh.Public())
	payload, err := json.Marshal(p.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	token := sign(t, "ES256", fresh, "new", payload)
	refuses(t, c, "so soon after the last question", token)
	p.pass(again)
	if _, _, err := c.Check(t.Context(), token); err != nil {
		t.Errorf("after a while: %v", err)
	}
}

// TestFloodOfKeyIDs checks that invented key IDs do not cause many requests to the issuer.
func TestFloodOfKeyIDs(t *testing.T) {
	p := run(t)
	c := p.checker(t)
	payload, err := json.Marshal(p.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		refuses(t, c, "made up", sign(t, "ES256", p.keys["ES256"], fmt.Sprint("made up ", n), payload))
	}
	p.pass(again)
	for n := range 50 {
		refuses(t, c, "made up", sign(t, "ES256", p.keys["ES256"], fmt.Sprint("made up ", n), payload))
	}
	if n := p.sets.Load(); n != 2 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

func TestOneFetchForAll(t *testing.T) {
	p := run(t)
	c := p.checker(t)
	token := p.token(t, nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, _, err := c.Check(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := p.discoveries.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

// unavailableNow checks that a token is neither accepted nor refused.
func unavailableNow(t *testing.T, c *Checker, what, token string) {
	t.Helper()
	if _, _, err := c.Check(t.Context(), token); !isUnavailable(err) {
		t.Errorf("%s: %v", what, err)
	}
}

func TestIssuerIsDownForAWhile(t *testing.T) {
	p := run(t)
	c := p.checker(t)
	asked := 0
	var down http.HandlerFunc = func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	p.serve.Store(&down)
	token := p.token(t, nil)
	for range 10 {
		unavailableNow(t, c, "down", token)
	}
	if asked != 1 {
		t.Errorf("the issuer was asked %d times", asked)
	}
	p.serve.Store(nil)
	p.pass(retry)
	if _, _, err := c.Check(t.Context(), token); err != nil {
		t.Errorf("up again: %v", err)
	}
	p.serve.Store(&down)
	p.pass(fresh)
	token = p.token(t, nil)
	if _, _, err := c.Check(t.Context(), token); err != nil {
		t.Errorf("known keys serve while it is down: %v", err)
	}
	payload, err := json.Marshal(p.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	unavailableNow(t, c, "a new key while it is down", sign(t, "ES256", p.keys["ES256"], "new", payload))
	p.pass(stale)
	unavailableNow(t, c, "known keys that are too old", p.token(t, nil))
}

func TestDocumentsRefused(t *testing.T) {
	set := `{"keys":[]}`
	for what, answer := range map[string]struct{ discovery, set string }{
		"not JSON":         {"<html>", set},
		"no issuer":        {`{"jwks_uri":"URL/keys"}`, set},
		"another issuer":   {`{"issuer":"https://evil.example.com","jwks_uri":"URL/keys"}`, set},
		"a slash more":     {`{"issuer":"URL/","jwks_uri":"URL/keys"}`, set},
		"issuer twice":     {`{"issuer":"URL","issuer":"URL","jwks_uri":"URL/keys"}`, set},
		"no keys":          {`{"issuer":"URL"}`, set},
		"keys by http":     {`{"issuer":"URL","jwks_uri":"http://example.com/keys"}`, set},
		"keys in a file":   {`{"issuer":"URL","jwks_uri":"file:///etc/passwd"}`, set},
		"redirect":         {`{"issuer":"URL","jwks_uri":"URL/redirect"}`, set},
		"long":             {`{"issuer":"URL","jwks_uri":"URL/keys","x":"` + strings.Repeat("x", maxDocument) + `"}`, set},
		"empty set":        {`{"issuer":"URL","jwks_uri":"URL/keys"}`, set},
		"set is no JSON":   {`{"issuer":"URL","jwks_uri":"URL/keys"}`, "keys"},
		"set of HMAC keys": {`{"issuer":"URL","jwks_uri":"URL/keys"}`, `{"keys":[{"kty":"oct","k":"AAAA","kid":"ES256"}]}`},
		"set for secrets":  {`{"issuer":"URL","jwks_uri":"URL/keys"}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`},
		"short RSA":        {`{"issuer":"URL","jwks_uri":"URL/keys"}`, `{"keys":[{"kty":"RSA","n":"` + strings.Repeat("x", 171) + `","e":"AQAB"}]}`},
		"too many keys":    {`{"issuer":"URL","jwks_uri":"URL/keys"}`, `{"keys":[` + strings.Repeat(`{},`, maxKeys) + `{}]}`},
		"long set":         {`{"issuer":"URL","jwks_uri":"URL/keys"}`, strings.Repeat(" ", maxDocument) + set},
	} {
		p := run(t)
		var serve http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/.well-known/openid-configuration":
				fmt.Fprint(w, strings.ReplaceAll(answer.discovery, "URL", p.URL))
			case "/redirect":
				http.Redirect(w, r, "/keys", http.StatusFound)
			default:
				fmt.Fprint(w, answer.set)
			}
		}
		p.serve.Store(&serve)
		unavailableNow(t, p.checker(t), what, p.token(t, nil))
	}
}

func TestSlowIssuer(t *testing.T) {
	p := run(t)
	released := make(chan struct{})
	var slow http.HandlerFunc = func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
		case <-r.Context().Done():
		}
	}
	p.serve.Store(&slow)
	defer close(released)
	c := p.checker(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := c.Check(ctx, p.token(t, nil)); !isUnavailable(err) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func FuzzKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		known, err := parseKeySet(raw)
		if err == nil && (len(known) == 0 || len(known) > maxKeys) {
			t.Errorf("%d keys", len(known))
		}
	})
}

func FuzzDiscovery(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://login.example.com","jwks_uri":"https://login.example.com/keys"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		where, err := parseDiscovery(raw, "https://login.example.com")
		if err != nil {
			return
		}
		if u, err := url.Parse(where); err != nil || !isSafe(u) {
			t.Errorf("%q", where)
		}
	})
}
