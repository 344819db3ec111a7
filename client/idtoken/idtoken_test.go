// SPDX-License-Identifier: Apache-2.0

package idtoken

import (
	"encoding/base64"
	"strings"
	"testing"
)

const alice = "alice@example.com"

// tokenOf returns an unsigned token with these claims.
func tokenOf(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".AAAA"
}

func challengeOf(token string) (string, error) {
	c, err := Parse(token)
	if err != nil {
		return "", err
	}
	return c.Challenge()
}

func TestChallenge(t *testing.T) {
	for claims, want := range map[string]string{
		`{"sub":"s"}`:                             "s",
		`{"sub":"s","email":""}`:                  "s",
		`{"sub":"s","email":"alice@example.com"}`: alice,
		`{"sub":"s","email":"alice@example.com","email_verified":true}`:  alice,
		`{"sub":"s","email":"alice@example.com","email_verified":false}`: alice,
		`{"email":"alice@example.com","groups":[{}]}`:                    alice,
		`{}`:                      "",
		`{"sub":7}`:               "",
		`{"sub":"s","sub":"t"}`:   "",
		`{"sub":"s"}{}`:           "",
		`null`:                    "",
		`[]`:                      "",
		``:                        "",
		"{\"sub\":\"\xff\"}":      "",
		`{"Sub":"s"}`:             "",
		`{"sub":"s","aud":{}}`:    "",
		`{"sub":"s","aud":["a"]}`: "s",
	} {
		got, err := challengeOf(tokenOf(claims))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", claims, got, err)
		}
	}
	good := tokenOf(`{"sub":"s"}`)
	for _, bad := range []string{
		"", "..", good + ".", strings.TrimSuffix(good, ".AAAA"), "a." + good, good[:6] + "\n" + good[6:], good[:6] + "=" + good[6:],
		strings.Repeat(".", 1<<20), tokenOf(`{"sub":"` + strings.Repeat("s", maxToken) + `"}`),
	} {
		if got, err := challengeOf(bad); err == nil || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%.40q: %q, %v", bad, got, err)
		}
	}
}
