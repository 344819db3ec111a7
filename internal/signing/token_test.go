// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/cli"
)

// tokenOf returns an unsigned token with these claims.
func tokenOf(claims string) string {
	return "eyJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".AAAA"
}

// TestTokenClaims checks that the signer is read from a token: its issuer, and its email or else
// its subject.
func TestTokenClaims(t *testing.T) {
	read := func(claims string) (Token, error) {
		return Login{Given: tokenOf(claims)}.Token(t.Context(), cli.Environment{}, "", nil)
	}
	got, err := read(`{"iss":"https://login.example.com","sub":"s","email":"alice@example.com"}`)
	if err != nil || got.Issuer != "https://login.example.com" || got.Challenge != "alice@example.com" {
		t.Errorf("%+v, %v", got, err)
	}
	for claims, want := range map[string]string{
		`{"sub":"s"}`:                 "reading ID token: no iss",
		`{"iss":"https://a.example"}`: "reading ID token: neither email nor sub",
		`[]`:                          "reading ID token: payload of the token is not a JSON object of claims",
	} {
		if _, err := read(claims); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", claims, err, want)
		}
	}
}
