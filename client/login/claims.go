package login

import (
	"errors"
	"fmt"
)

// Claims are what a client needs to know of its own token. They are not verified:
// the certificate authority does that.
type Claims struct {
	Issuer    string
	Challenge string // what a proof of possession signs: email where there is one, else sub
}

// ParseClaims reads the claims of an ID token.
func ParseClaims(token string) (Claims, error) {
	c, err := parseToken(token)
	if err != nil {
		return Claims{}, fmt.Errorf("reading ID token: %w", err)
	}
	challenge, err := c.challenge()
	if err != nil {
		return Claims{}, fmt.Errorf("reading ID token: %w", err)
	}
	if c.Issuer == "" {
		return Claims{}, errors.New("reading ID token: no iss")
	}
	return Claims{c.Issuer, challenge}, nil
}
