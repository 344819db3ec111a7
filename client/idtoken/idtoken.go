// SPDX-License-Identifier: Apache-2.0

package idtoken

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// maxToken bounds the size of an ID token that hallmark's certificate authority accepts, in
// bytes.
const maxToken = 16 << 10

// Claims holds the claims of an ID token that a client uses. They have not been verified.
type Claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience Audience `json:"aud"`
	Nonce    string   `json:"nonce"`
	Email    string   `json:"email"`
}

// An Audience is one string or several.
type Audience []string

// Has reports whether the audience includes want.
func (a Audience) Has(want string) bool { return slices.Contains(a, want) }

// UnmarshalJSON reads "sigstore" or ["sigstore","account"].
func (a *Audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = Audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// Parse returns the payload of a token in the compact form of RFC 7515
// §7.1, unverified. Errors never quote the token.
func Parse(token string) (Claims, error) {
	if len(token) > maxToken {
		return Claims{}, fmt.Errorf("token is longer than %d bytes", maxToken)
	}
	if strings.Count(token, ".") != 2 || strings.ContainsAny(token, "\r\n") { // a decoder skips line breaks
		return Claims{}, errors.New("token does not have three parts separated by dots")
	}
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	if err != nil {
		return Claims{}, errors.New("payload of the token is not base64url")
	}
	var c Claims
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &c) != nil {
		return Claims{}, errors.New("payload of the token is not a JSON object of claims")
	}
	return c, nil
}

// Challenge returns the claim that a proof of possession signs, as Fulcio's clients do: email
// if the token has one, otherwise sub.
func (c Claims) Challenge() (string, error) {
	if challenge := cmp.Or(c.Email, c.Subject); challenge != "" {
		return challenge, nil
	}
	return "", errors.New("neither email nor sub")
}
