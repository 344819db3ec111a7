package login

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
)

// maxToken is the longest ID token that is read, in bytes.
const maxToken = 16 << 10

// Claims are what a client needs to know of its own token. They are not verified:
// the certificate authority does that.
type Claims struct {
	Issuer    string
	Challenge string // what a proof of possession signs: the email, else the subject
}

// ParseClaims reads the claims of an ID token.
func ParseClaims(token string) (Claims, error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return Claims{}, errors.New("reading ID token: not three parts with dots between them, of 16 KiB at most")
	}
	_, rest, _ := strings.Cut(token, ".")
	part, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return Claims{}, fmt.Errorf("reading ID token: %w", err)
	}
	var in struct {
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
		Email   string `json:"email"`
	}
	if err := json.Unmarshal(payload, &in); err != nil {
		return Claims{}, errors.New("reading ID token: its claims are no JSON object") // err would quote them
	}
	c := Claims{Issuer: in.Issuer, Challenge: in.Email}
	if c.Challenge == "" {
		c.Challenge = in.Subject
	}
	if c.Issuer == "" || c.Challenge == "" {
		return Claims{}, errors.New("reading ID token: it has no issuer or no subject")
	}
	return c, nil
}
