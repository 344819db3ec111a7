// SPDX-License-Identifier: Apache-2.0

package login

import (
	"errors"
	"fmt"

	"github.com/hallmark-sign/hallmark/client/idtoken"
)

// Claims are the claims of a token that its client needs. They are not
// verified; the certificate authority does that.
type Claims struct {
	Issuer    string
	Challenge string // claim that a proof of possession signs: email if present, else sub
}

// ParseClaims returns the claims of an ID token.
func ParseClaims(token string) (Claims, error) {
	c, err := idtoken.Parse(token)
	if err != nil {
		return Claims{}, fmt.Errorf("reading ID token: %w", err)
	}
	challenge, err := c.Challenge()
	if err != nil {
		return Claims{}, fmt.Errorf("reading ID token: %w", err)
	}
	if c.Issuer == "" {
		return Claims{}, errors.New("reading ID token: no iss")
	}
	return Claims{c.Issuer, challenge}, nil
}
