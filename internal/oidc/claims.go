// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/identity"
)

const (
	// maxToken bounds a token, in bytes. The largest known ones, of CI services,
	// have 4 KiB.
	maxToken = 16 << 10

	// leeway bounds the difference of clocks (RFC 7519 §4.1.4: "usually no more
	// than a few minutes").
	leeway = 30 * time.Second
)

// algorithms returns the asymmetric algorithms of RFC 7518 §3.1 and RFC 8037.
func algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// A header is a JOSE header:
//
//	{"alg":"ES256","kid":"HWrH…","typ":"JWT"}
type header struct {
	Algorithm string         `json:"alg"`
	KeyID     string         `json:"kid"`
	Critical  jsontext.Value `json:"crit"`
	Encoded   jsontext.Value `json:"b64"`
}

// claims are the relevant claims of an ID token:
//
//	{"iss":"https://login.example.com","aud":"sigstore","sub":"mLhJ…",
//	 "exp":1767225600,"iat":1767225000,"email":"alice@example.com","email_verified":true}
type claims struct {
	Issuer        string   `json:"iss"`
	Subject       string   `json:"sub"`
	Audience      audience `json:"aud"`
	Expiry        *float64 `json:"exp"`
	IssuedAt      *float64 `json:"iat"`
	NotBefore     *float64 `json:"nbf"`
	Email         string   `json:"email"`
	EmailVerified verified `json:"email_verified"`
}

// An audience is one string or several.
type audience []string

// UnmarshalJSON reads "sigstore" or ["sigstore","account"].
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// verified is the JSON of the claim email_verified, empty if it is missing.
type verified string

// UnmarshalJSON accepts any value.
func (v *verified) UnmarshalJSON(raw []byte) error {
	*v = verified(raw)
	return nil
}

// check requires the value true. Some issuers write the string "true" (Entra
// ID, Cognito). Others use the string for an address that the user merely
// claims, so it counts only if the operator allows it.
func (v verified) check(stringToo bool) error {
	switch {
	case v == "true", v == `"true"` && stringToo:
		return nil
	case v == "":
		return refusal("claim email_verified is missing, want true")
	case v == `"true"`:
		return refusal(`claim email_verified is the string "true", want the value true; the operator can allow it with email_verified_string`)
	}
	return refusal("claim email_verified is not true: the email address is not verified")
}

// parse parses a token in the compact form of RFC 7515 §7.1 without verifying
// it. Errors are of type refusal.
func parse(token string) (header, claims, error) {
	if len(token) > maxToken {
		return header{}, claims{}, refusal("token is longer than 16 KiB")
	}
	// Dots are counted before splitting, so that a token of many dots costs
	// nothing.
	if strings.Count(token, ".") != 2 {
		return header{}, claims{}, refusal("token is not three parts")
	}
	if strings.ContainsAny(token, "\r\n") { // the decoder would skip them
		return header{}, claims{}, refusal("token has line breaks")
	}
	first, rest, _ := strings.Cut(token, ".")
	second, third, _ := strings.Cut(rest, ".")
	var h header
	if err := part(first, &h); err != nil {
		return header{}, claims{}, refusal("header is not base64url of a JSON object")
	}
	if err := h.check(); err != nil {
		return header{}, claims{}, err
	}
	var c claims
	if err := part(second, &c); err != nil {
		return header{}, claims{}, refusal("payload is not base64url of a JSON object of claims")
	}
	if _, err := base64.RawURLEncoding.Strict().DecodeString(third); err != nil || third == "" {
		return header{}, claims{}, refusal("signature is not base64url")
	}
	return h, c, nil
}

// part decodes strictly and refuses duplicate members. Causes are dropped,
// since they would quote the token.
func part[T any](text string, v *T) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return err
	}
	if len(raw) == 0 || raw[0] != '{' { // null would pass for an object
		return refusal("not an object")
	}
	return json.Unmarshal(raw, v)
}

// check checks the algorithm: "Libraries MUST enable the caller to specify a
// supported set of algorithms and MUST NOT use any other" (RFC 8725 §3.1). It
// refuses critical extensions, since none is supported (RFC 7515 §4.1.11).
func (h header) check() error {
	if !slices.Contains(algorithms(), h.Algorithm) {
		return refusal("algorithm is not allowed")
	}
	if h.Critical != nil || h.Encoded != nil {
		return refusal("header has extensions")
	}
	return nil
}

// check performs steps 3, 9 and 10 of OpenID Connect Core §3.1.3.7, and checks
// nbf (RFC 7519 §4.1.5).
func (c claims) check(want string, now time.Time) error {
	// "The ID Token MUST be rejected if the ID Token does not list the Client as a
	// valid audience".
	if !slices.Contains(c.Audience, want) {
		return refusal(fmt.Sprintf("claim aud is for another audience, want %q", want))
	}
	// "The current time MUST be before the time represented by the exp Claim".
	if c.Expiry == nil {
		return refusal("claim exp is missing")
	}
	if expiry := numericDate(*c.Expiry); !now.Add(-leeway).Before(expiry) {
		return refusal("claim exp: token expired at " + stamp(expiry) + ", now is " + stamp(now))
	}
	if c.NotBefore != nil && now.Add(leeway).Before(numericDate(*c.NotBefore)) {
		return refusal("claim nbf: token is not valid before " + stamp(numericDate(*c.NotBefore)) + ", now is " + stamp(now))
	}
	if c.IssuedAt == nil {
		return refusal("claim iat is missing")
	}
	if issued := numericDate(*c.IssuedAt); now.Add(leeway).Before(issued) {
		return refusal("claim iat: token was issued at " + stamp(issued) + ", now is " + stamp(now))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// numericDate converts a NumericDate (RFC 7519 §2): seconds with a fraction.
func numericDate(seconds float64) time.Time {
	const far = 1 << 40 // larger values overflow time
	return time.Unix(int64(min(max(seconds, -far), far)), 0)
}

// identity returns the identity for a certificate. Errors are of type refusal.
func (t *trusted) identity(c claims) (identity.Identity, error) {
	if c.Subject == "" {
		return identity.Identity{}, refusal("claim sub is missing")
	}
	id := identity.Identity{Issuer: t.URL}
	switch t.Type {
	case Email:
		if c.Email == "" {
			return identity.Identity{}, refusal("claim email is missing: ask the issuer for the scope email")
		}
		if err := c.EmailVerified.check(t.EmailVerifiedString); err != nil {
			return identity.Identity{}, err
		}
		if !isAddress(c.Email) {
			return identity.Identity{}, refusal("claim email is not an address")
		}
		id.Subject = identity.Subject{Type: identity.Email, Value: c.Email}
	case URI:
		if !within(c.Subject, t.domain) {
			return identity.Identity{}, refusal(fmt.Sprintf("claim sub is not a URI below %s", t.SubjectDomain))
		}
		id.Subject = identity.Subject{Type: identity.URI, Value: c.Subject}
	}
	if _, err := id.Extensions(); err != nil {
		return identity.Identity{}, refusal("no certificate could carry the claim sub or email")
	}
	return id, nil
}

// challenges returns the claims that a proof of possession may sign. Clients
// sign the email if there is one, whatever the issuer's identities are based
// on.
func (c claims) challenges() []string {
	if c.Email == "" {
		return []string{c.Subject}
	}
	return []string{c.Email, c.Subject}
}

// isAddress refuses text that a reader of the certificate could take for
// another address: it requires exactly one @ and no spaces, quotes or brackets.
func isAddress(text string) bool {
	local, domain, ok := strings.Cut(text, "@")
	return ok && local != "" && domain != "" && len(text) <= 320 &&
		!strings.ContainsAny(text, " \"(),:;<>[\\]") && !strings.Contains(domain, "@")
}

// within checks that "The scheme and host of the subject must match the subject
// domain".
func within(subject string, domain *url.URL) bool {
	u, err := url.Parse(subject)
	return err == nil && u.Scheme == domain.Scheme && u.Host == domain.Host && u.User == nil && u.Opaque == "" &&
		strings.HasPrefix(subject, domain.Scheme+"://"+domain.Host)
}
