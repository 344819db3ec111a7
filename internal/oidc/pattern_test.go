// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/claims"
)

func TestPatterns(t *testing.T) {
	for text, issuers := range map[string]struct{ match, differ []string }{
		"https://oidc.eks.*.amazonaws.com/id/*": {
			[]string{"https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"},
			[]string{
				"https://oidc.eks.eu-west-1.amazonaws.com/id/", "https://oidc.eks.eu-west-1.amazonaws.com/id/A/", "https://oidc.eks.eu-west-1.amazonaws.com/id/A/B",
				"https://oidc.eks.x.amazonaws.com.evil.test/id/A", "https://oidc.eks.x.evil.test/.amazonaws.com/id/A", "https://oidc.eks.a@evil.test.amazonaws.com/id/A",
				"https://evil@oidc.eks.x.amazonaws.com/id/A", "https://oidc.eks.x.amazonaws.com:8443/id/A", "https://oidc.eks.x.amazonaws.com/id/A%2fB",
				"https://oidc.eks.x.amazonaws.com/id/A?b", "https://oidc.eks.x.amazonaws.com/id/A#b", "http://oidc.eks.x.amazonaws.com/id/A",
				"HTTPS://oidc.eks.x.amazonaws.com/id/A", "https://oidc.eks..amazonaws.com/id/A", "https://oidc.eks.a.b.amazonaws.com/id/A",
				" https://oidc.eks.x.amazonaws.com/id/A", "https://oidc.eks.x.amazonaws.com/id/A\n", "https://oidc.eks.x.amazonaws.com/id/..", "https://oidcXeksXxXamazonaws.com/id/A",
			},
		},
		"https://*.oic.prod-aks.azure.com/*/*/": {
			[]string{"https://westeurope.oic.prod-aks.azure.com/00000000-0000-0000-0000-000000000000/11111111-0000-0000-0000-000000000000/"},
			[]string{"https://westeurope.oic.prod-aks.azure.com/a/b", "https://westeurope.oic.prod-aks.azure.com/a/", "https://oic.prod-aks.azure.com/a/b/"},
		},
		"https://container.googleapis.com/v1/projects/*/locations/*/clusters/*": {
			[]string{"https://container.googleapis.com/v1/projects/p/locations/europe-west1/clusters/c"},
			[]string{"https://container.googleapis.com/v1/projects/p/locations/l/clusters/c/x"},
		},
	} {
		p := pattern(text)
		if err := p.check(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		for _, issuer := range issuers.match {
			if !p.compile().MatchString(issuer) {
				t.Errorf("%s does not match %s", text, issuer)
			}
		}
		for _, issuer := range issuers.differ {
			if p.compile().MatchString(issuer) {
				t.Errorf("%s matches %q", text, issuer)
			}
		}
	}
	for _, text := range []string{"https://*", "https://*.com/x", "https://example.*/x", "https://*/x", "http://a.*.example.com", "https://*.example.com@evil.test/", "https://a.*.example.com/?x", "*://a.b.example.com", "https://a.b.*.com"} {
		if err := pattern(text).check(); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

// TestPatternIssuers checks tokens of issuers that match a pattern, and that strangers
// can't fill the memory with issuers.
func TestPatternIssuers(t *testing.T) {
	p := run(t)
	c := p.checkerOf(t, Issuer{URL: "https://oidc.eks.*.amazonaws.com/id/*", Audience: "sigstore", Type: typeKubernetes})
	asked := 0
	c.state.Load().keysOf = func(i Issuer) *keys {
		asked++
		i.Keys = []crypto.PublicKey{p.keys["ES256"].Public()}
		return newKeys(i, nil, c.clock, nil)
	}
	claimsOf := func(issuer string) map[string]any {
		return map[string]any{
			"iss": issuer, "sub": "system:serviceaccount:default:web",
			"kubernetes.io": map[string]any{"namespace": "default", "serviceaccount": map[string]any{"name": "web"}},
		}
	}
	const issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/A"
	for range 2 {
		id, _, err := c.Check(t.Context(), p.token(t, claimsOf(issuer)))
		if err != nil || id.Issuer != issuer || id.Subject.Value != "https://kubernetes.io/namespaces/default/serviceaccounts/web" {
			t.Fatalf("got %+v, %v", id, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked for keys %d times", asked)
	}
	for _, issuer := range []string{"https://oidc.eks.*.amazonaws.com/id/*", "https://oidc.eks.x.amazonaws.com.evil.test/id/A"} {
		if id, _, err := c.Check(t.Context(), p.token(t, claimsOf(issuer))); err == nil {
			t.Errorf("got %+v", id)
		}
	}
	for i := range 2 * maxMatched {
		c.state.Load().trusted(fmt.Sprintf("https://oidc.eks.x.amazonaws.com/id/%d", i))
	}
	if len(c.state.Load().matched.all) > maxMatched {
		t.Errorf("%d issuers are remembered", len(c.state.Load().matched.all))
	}
	if got := c.Configuration().Issuers[0]; got.URL != "" || got.WildcardURL != "https://oidc.eks.*.amazonaws.com/id/*" {
		t.Errorf("clients are told %+v", got)
	}
}

// TestReplace checks that issuers change at once, keep their keys, and stay as they are
// if one is refused.
func TestReplace(t *testing.T) {
	p := run(t)
	issuer := Issuer{URL: p.URL, Audience: "sigstore", Type: typeEmail}
	c := p.checkerOf(t, issuer)
	check := func(want bool) {
		t.Helper()
		if _, _, err := c.Check(t.Context(), p.token(t, nil)); (err == nil) != want {
			t.Errorf("got %v", err)
		}
	}
	check(true)
	if err := c.Replace([]Issuer{issuer, {URL: "https://other.example.com", Audience: "sigstore", Type: "unknown"}}); err == nil {
		t.Error("an unknown type is accepted")
	}
	check(true)
	issuer.Rules.Deny = []claims.Rule{{"email": {identity.Exact("alice@example.com")}}}
	if err := c.Replace([]Issuer{issuer}); err != nil {
		t.Fatal(err)
	}
	check(false)
	issuer.Rules.Deny = nil
	if err := c.Replace([]Issuer{issuer}); err != nil {
		t.Fatal(err)
	}
	check(true)
	if n := p.discoveries.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	if err := c.Replace(nil); err != nil {
		t.Fatal(err)
	}
	check(false)
}

// TestPublicAddresses checks which addresses an issuer that a token names may have.
func TestPublicAddresses(t *testing.T) {
	for _, a := range []string{"8.8.8.8", "2a00:1450:4001::1", "::ffff:8.8.8.8"} {
		if !isPublic(netip.MustParseAddr(a)) {
			t.Errorf("%s is refused", a)
		}
	}
	for _, a := range []string{
		"127.0.0.1", "127.9.9.9", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "0.1.2.3", "::", "100.64.0.1",
		"192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
		"64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
	} {
		if isPublic(netip.MustParseAddr(a)) {
			t.Errorf("%s is accepted", a)
		}
	}
	p := run(t)
	for _, host := range []string{p.URL, strings.Replace(p.URL, "127.0.0.1", "localhost", 1), strings.Replace(p.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		if resp, err := publicClient().Get(host); !errors.Is(err, errPrivate) {
			t.Errorf("%s: got %v, %v", host, resp, err)
		}
	}
	if p.discoveries.Load() != 0 {
		t.Error("the server was reached")
	}
}

// TestKeySources checks keys from a URL and from a file, which is read again.
func TestKeySources(t *testing.T) {
	p := run(t)
	if _, _, err := p.checkerOf(t, Issuer{URL: p.URL, Audience: "sigstore", Type: typeEmail, KeysURL: p.URL + "/keys"}).Check(t.Context(), p.token(t, nil)); err != nil {
		t.Error(err)
	}
	if n := p.discoveries.Load(); n != 0 {
		t.Errorf("%d discoveries", n)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	c := p.checkerOf(t, Issuer{URL: p.URL, Audience: "sigstore", Type: typeEmail, KeysFile: file})
	unavailableNow(t, c, "no file", p.token(t, nil))
	raw, err := json.Marshal(p.set)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	p.pass(retry + time.Second)
	if _, _, err := c.Check(t.Context(), p.token(t, nil)); err != nil {
		t.Error(err)
	}
}

// TestKeySourceRefusals checks settings that can't work or weaken.
func TestKeySourceRefusals(t *testing.T) {
	for what, i := range map[string]Issuer{
		"keys by http":       {URL: "https://a.example.com", KeysURL: "http://a.example.com/keys"},
		"keys without host":  {URL: "https://a.example.com", KeysURL: "/keys"},
		"pattern with file":  {URL: "https://*.a.example.com", KeysFile: "x"},
		"pattern with URL":   {URL: "https://*.a.example.com", KeysURL: "https://a.example.com/keys"},
		"pattern with token": {URL: "https://*.a.example.com", BearerFile: "x"},
		"pattern with CA":    {URL: "https://*.a.example.com", CACertificates: x509.NewCertPool()},
	} {
		i.Audience, i.Type = "sigstore", typeEmail
		if _, err := New(Options{Issuers: []Issuer{i}}); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

// TestBearer checks that requests for keys carry the token of the file.
func TestBearer(t *testing.T) {
	p := run(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var guarded http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "", http.StatusUnauthorized)
			return
		}
		json.NewEncoder(w).Encode(p.set)
	}
	p.serve.Store(&guarded)
	issuer := Issuer{URL: p.URL, Audience: "sigstore", Type: typeEmail, KeysURL: p.URL + "/openid/v1/jwks"}
	unavailableNow(t, p.checkerOf(t, issuer), "no token", p.token(t, nil))
	issuer.BearerFile = file
	if _, _, err := p.checkerOf(t, issuer).Check(t.Context(), p.token(t, nil)); err != nil {
		t.Error(err)
	}
}

// TestBearerStaysHome checks that discovery can't have the token of the file sent to
// another host, unless the operator's own authorities vouch for that host.
func TestBearerStaysHome(t *testing.T) {
	p := run(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got string
	other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		json.NewEncoder(w).Encode(p.set)
	}))
	defer other.Close()
	authorities := x509.NewCertPool()
	authorities.AddCert(other.Certificate())
	var elsewhere http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": other.URL + "/keys"})
	}
	p.serve.Store(&elsewhere)
	issuer := Issuer{URL: p.URL, Audience: "sigstore", Type: typeEmail, BearerFile: file}
	c, err := New(Options{Issuers: []Issuer{issuer}, Client: other.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Check(t.Context(), p.token(t, nil)); err != nil || got != "" {
		t.Errorf("got %v; the other host was sent %q", err, got)
	}
	issuer.CACertificates = authorities // as in a cluster, whose API server names itself by its address
	if _, _, err := p.checkerOf(t, issuer).Check(t.Context(), p.token(t, nil)); err != nil || got != "Bearer secret" {
		t.Errorf("got %v; the cluster was sent %q", err, got)
	}
}

// TestKeysOfAnotherScheme checks that an issuer with https can't have keys fetched from
// this machine without it.
func TestKeysOfAnotherScheme(t *testing.T) {
	raw := []byte(`{"issuer":"https://a.example.com","jwks_uri":"http://127.0.0.1:9000/keys"}`)
	if where, err := parseDiscovery(raw, "https://a.example.com"); err == nil {
		t.Errorf("got %s", where)
	}
}

// TestStarInOrigin checks that a service whose subjects would have a star for a host is
// refused when it is configured.
func TestStarInOrigin(t *testing.T) {
	service, _ := claims.NewService("gitlab", "https://*.git.example.com")
	if _, err := New(Options{Issuers: []Issuer{{URL: "https://*.git.example.com", Audience: "sigstore", Type: Service, Service: service}}}); err == nil {
		t.Error("accepted")
	}
}

// TestStrangersDropNoKeys checks that unsigned tokens, which name one issuer after the
// other, don't push out those whose keys were fetched.
func TestStrangersDropNoKeys(t *testing.T) {
	p := run(t)
	c := p.checkerOf(t, Issuer{URL: "https://oidc.eks.*.amazonaws.com/id/*", Audience: "sigstore", Type: typeKubernetes})
	s := c.state.Load()
	used := map[string]*trusted{}
	for i := range maxMatched / 2 {
		issuer := fmt.Sprintf("https://oidc.eks.x.amazonaws.com/id/used%d", i)
		used[issuer] = s.trusted(issuer)
		used[issuer].keys.fetched = time.Now()
	}
	for i := range 3 * maxMatched {
		s.trusted(fmt.Sprintf("https://oidc.eks.x.amazonaws.com/id/%d", i))
	}
	for issuer, before := range used {
		if s.trusted(issuer) != before {
			t.Fatalf("%s was dropped", issuer)
		}
	}
	if len(s.matched.all) > maxMatched {
		t.Errorf("%d issuers are remembered", len(s.matched.all))
	}
}
