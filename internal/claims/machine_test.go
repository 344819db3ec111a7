// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/identity"
)

// TestSubjects checks what becomes of one token by each type, and what is refused.
func TestSubjects(t *testing.T) {
	spiffe := func(s Set) (identity.Subject, error) { return SPIFFE(s, "example.org") }
	username := func(s Set) (identity.Subject, error) { return Username(s, "example.com") }
	uri := func(s Set) (identity.Subject, error) { return URI(s, "https://example.com") }
	email := func(s Set) (identity.Subject, error) { return Email(s, false) }
	for _, c := range []struct {
		name   string
		of     func(Set) (identity.Subject, error)
		claims string
		want   string // empty: refused
	}{
		{"email", email, `{"email":"a@example.com","email_verified":true}`, "a@example.com"},
		{"email, not verified", email, `{"email":"a@example.com","email_verified":false}`, ""},
		{"email, a string", email, `{"email":"a@example.com","email_verified":"true"}`, ""},
		{"email, two addresses", email, `{"email":"a@b@example.com","email_verified":true}`, ""},
		{"email, another form of a domain", email, `{"email":"a@example.com.","email_verified":true}`, ""},
		{"URI", uri, `{"sub":"https://example.com/x"}`, "https://example.com/x"},
		{"URI of another host", uri, `{"sub":"https://example.com.evil.test/x"}`, ""},
		{"URI with userinfo", uri, `{"sub":"https://example.com@evil.test/x"}`, ""},
		{"username", username, `{"sub":"alice"}`, "alice!example.com"},
		{"username with a domain", username, `{"sub":"alice!evil.test"}`, ""},
		{"username that is an address", username, `{"sub":"alice@example.com"}`, ""},
		{"no username", username, `{"sub":""}`, ""},
		{"SPIFFE", spiffe, `{"sub":"spiffe://example.org/ns/prod/sa/web"}`, "spiffe://example.org/ns/prod/sa/web"},
		{"SPIFFE of another domain", spiffe, `{"sub":"spiffe://example.org.evil/ns"}`, ""},
		{"SPIFFE with a port", spiffe, `{"sub":"spiffe://example.org:80/ns"}`, ""},
		{"SPIFFE without a path", spiffe, `{"sub":"spiffe://example.org"}`, ""},
		{"SPIFFE with an empty segment", spiffe, `{"sub":"spiffe://example.org/a//b"}`, ""},
		{"SPIFFE with a relative segment", spiffe, `{"sub":"spiffe://example.org/a/../b"}`, ""},
		{"SPIFFE with a slash at its end", spiffe, `{"sub":"spiffe://example.org/a/"}`, ""},
		{"SPIFFE with percent", spiffe, `{"sub":"spiffe://example.org/a%2fb"}`, ""},
		{"SPIFFE with a query", spiffe, `{"sub":"spiffe://example.org/a?b"}`, ""},
		{"SPIFFE in capitals", spiffe, `{"sub":"SPIFFE://example.org/a"}`, ""},
		{"SPIFFE that is too long", spiffe, `{"sub":"spiffe://example.org/` + strings.Repeat("a", maxSPIFFE) + `"}`, ""},
		{"Kubernetes", Kubernetes, `{"sub":"system:serviceaccount:default:web","kubernetes.io":{"namespace":"default","serviceaccount":{"name":"web","uid":"1"},"pod":{"name":"p"}}}`,
			"https://kubernetes.io/namespaces/default/serviceaccounts/web"},
		{"Kubernetes, another account in sub", Kubernetes, `{"sub":"system:serviceaccount:default:web2","kubernetes.io":{"namespace":"default","serviceaccount":{"name":"web"}}}`, ""},
		{"Kubernetes with a path in the name", Kubernetes, `{"sub":"system:serviceaccount:default:a/b","kubernetes.io":{"namespace":"default","serviceaccount":{"name":"a/b"}}}`, ""},
		{"Kubernetes without an account", Kubernetes, `{"sub":"system:node:x","kubernetes.io":{"namespace":"default"}}`, ""},
		{"Kubernetes, no object", Kubernetes, `{"sub":"x","kubernetes.io":"x"}`, ""},
		{"Kubernetes, names twice", Kubernetes, `{"sub":"system:serviceaccount:default:web","kubernetes.io":{"namespace":"default","serviceaccount":{"name":"web","name":"admin"}}}`, ""},
	} {
		set, err := Parse([]byte(c.claims))
		if err != nil {
			if c.want != "" {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		got, err := c.of(set)
		if got.Value != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: got %q, %v, want %q", c.name, got.Value, err, c.want)
		}
	}
}
