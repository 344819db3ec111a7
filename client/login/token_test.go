// SPDX-License-Identifier: Apache-2.0

package login

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/client/idtoken"
)

// tokenOf returns an unsigned token with these claims.
func tokenOf(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".AAAA"
}

func challengeOf(token string) (string, error) {
	c, err := idtoken.Parse(token)
	if err != nil {
		return "", err
	}
	return c.Challenge()
}

func TestAmbient(t *testing.T) {
	t.Parallel()
	token := tokenOf(`{"iss":"https://token.actions.githubusercontent.com","sub":"repo:a/b","aud":"sigstore"}`)
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer the-secret" || r.URL.Query().Get("api-version") != "2.0":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/odd":
			fmt.Fprint(w, `{"count":1}`)
		case r.URL.Path == "/redirect":
			http.Redirect(w, r, server.URL+"/?"+r.URL.RawQuery, http.StatusFound)
		case r.URL.Query().Get("audience") == "sigstore" || r.URL.Path == "/any":
			fmt.Fprintf(w, `{"count":1,"value":%q}`, token)
		}
	}))
	t.Cleanup(server.Close)
	ask := func(audience string, pairs ...string) (string, bool, error) {
		env := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			env[pairs[i]] = pairs[i+1]
		}
		return Ambient(t.Context(), Environment{Getenv: func(name string) string { return env[name] }, Root: t.TempDir()}, audience)
	}
	if got, ok, err := ask("sigstore"); got != "" || ok || err != nil {
		t.Errorf("nothing there: %q %t, %v", got, ok, err)
	}
	if got, ok, err := ask("sigstore", envToken, " "+token+"\n"); got != token || !ok || err != nil {
		t.Errorf("%s: %q %t, %v", envToken, got, ok, err)
	}
	if _, ok, err := ask("sigstore", envToken, "nonsense"); !ok || err == nil {
		t.Errorf("%s is nonsense: %t, %v", envToken, ok, err)
	}
	if got, ok, err := ask("sigstore", envRequestURL, server.URL+"/?api-version=2.0", envRequestToken, "the-secret"); got != token || !ok || err != nil {
		t.Errorf("Actions: %q %t, %v", got, ok, err)
	}
	var refused *Refused
	if _, ok, err := ask("sigstore", envRequestURL, server.URL+"/?api-version=2.0", envRequestToken, "wrong"); !ok || !errors.As(err, &refused) {
		t.Errorf("wrong secret: %t, %v", ok, err)
	}
	for _, address := range []string{server.URL + "/odd?api-version=2.0", server.URL + "/redirect?api-version=2.0", "http://example.com/?api-version=2.0", "%"} {
		if _, ok, err := ask("sigstore", envRequestURL, address, envRequestToken, "the-secret"); !ok || err == nil || strings.Contains(err.Error(), "the-secret") {
			t.Errorf("%s: %t, %v", address, ok, err)
		}
	}
	if _, _, err := ask("other", envRequestURL, server.URL+"/any?api-version=2.0", envRequestToken, "the-secret"); err == nil {
		t.Error("a token for another audience was accepted")
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(tokenOf(`{"sub":"s","email":"alice@example.com"}`))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if challenge, err := challengeOf(token); err == nil && challenge == "" {
			t.Error("an empty challenge")
		}
	})
}

// TestURLsKeepSecrets checks that the error for a URL never quotes its password.
func TestURLsKeepSecrets(t *testing.T) {
	for _, text := range []string{"https://u:the-secret@example.com/", "http://u:the-secret@127.0.0.1/", "https://u:the-secret@%zz/", "https:///the-secret#x"} {
		if err := checkURL(text); err == nil || strings.Contains(err.Error(), "the-secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
