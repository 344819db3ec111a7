package login

import (
	"errors"
	"fmt"
)

// Claims are what a client needs to know of its own token. They are not verified:
// the certificate authority does that.
type Claims struct {
	Issuer    string
	Challenge string // as Challenge gives it
}

// ParseClaims reads the claims of an ID token.
func ParseClaims(token string) (Claims, error) {
	challenge, err := Challenge(token)
	if err != nil {
		return Claims{}, err
	}
	c, err := parseToken(token)
	if err != nil {
		return Claims{}, fmt.Errorf("reading ID token: %w", err)
	}
	if c.Issuer == "" {
		return Claims{}, errors.New("reading ID token: no iss")
	}
	return Claims{c.Issuer, challenge}, nil
}
