// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/claims"
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

// A payload has the claims that are checked in every ID token, and all others:
//
//	{"iss":"https://login.example.com","aud":"sigstore","sub":"mLhJ…",
//	 "exp":1767225600,"iat":1767225000,"email":"alice@example.com","email_verified":true}
type payload struct {
	Issuer    string
	Subject   string
	Audience  audience
	Expiry    *float64
	IssuedAt  *float64
	NotBefore *float64
	Email     string

	all claims.Set
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

// parse parses a token in the compact form of RFC 7515 §7.1 without verifying
// it. Errors are of type refusal.
func parse(token string) (header, payload, error) {
	if len(token) > maxToken {
		return header{}, payload{}, refusal("token is longer than 16 KiB")
	}
	// Dots are counted before splitting, so that a token of many dots costs
	// nothing.
	if strings.Count(token, ".") != 2 {
		return header{}, payload{}, refusal("token is not three parts")
	}
	if strings.ContainsAny(token, "\r\n") { // the decoder would skip them
		return header{}, payload{}, refusal("token has line breaks")
	}
	first, rest, _ := strings.Cut(token, ".")
	second, third, _ := strings.Cut(rest, ".")
	var h header
	if err := h.parse(first); err != nil {
		return header{}, payload{}, refusal("header is not base64url of a JSON object")
	}
	if err := h.check(); err != nil {
		return header{}, payload{}, err
	}
	var p payload
	if err := p.parse(second); err != nil {
		return header{}, payload{}, refusal("payload is not base64url of a JSON object of claims")
	}
	if _, err := decode(third); err != nil || third == "" {
		return header{}, payload{}, refusal("signature is not base64url")
	}
	return h, p, nil
}

// decode decodes strictly. Causes are dropped, since they would quote the token.
func decode(text string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(text) }

// parse decodes the payload, and parses the claims that are checked of every token.
func (p *payload) parse(text string) error {
	raw, err := decode(text)
	if err != nil {
		return err
	}
	if p.all, err = claims.Parse(raw); err != nil {
		return err
	}
	for name, into := range map[string]any{
		"iss": &p.Issuer, "sub": &p.Subject, "aud": &p.Audience, "exp": &p.Expiry, "iat": &p.IssuedAt, "nbf": &p.NotBefore, "email": &p.Email,
	} {
		if value, ok := p.all[name]; ok {
			if err := json.Unmarshal(value, into); err != nil {
				return err
			}
		}
	}
	return nil
}

// parse decodes a header, and refuses duplicate members.
func (h *header) parse(text string) error {
	raw, err := decode(text)
	if err != nil {
		return err
	}
	if len(raw) == 0 || raw[0] != '{' { // null would pass for an object
		return refusal("not an object")
	}
	return json.Unmarshal(raw, h)
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
func (p payload) check(want string, now time.Time) error {
	// "The ID Token MUST be rejected if the ID Token does not list the Client as a
	// valid audience".
	if !slices.Contains(p.Audience, want) {
		return refusal(fmt.Sprintf("claim aud is for another audience, want %q", want))
	}
	// "The current time MUST be before the time represented by the exp Claim".
	if p.Expiry == nil {
		return refusal("claim exp is missing")
	}
	if expiry := numericDate(*p.Expiry); !now.Add(-leeway).Before(expiry) {
		return refusal("claim exp: token expired at " + stamp(expiry) + ", now is " + stamp(now))
	}
	if p.NotBefore != nil && now.Add(leeway).Before(numericDate(*p.NotBefore)) {
		return refusal("claim nbf: token is not valid before " + stamp(numericDate(*p.NotBefore)) + ", now is " + stamp(now))
	}
	if p.IssuedAt == nil {
		return refusal("claim iat is missing")
	}
	if issued := numericDate(*p.IssuedAt); now.Add(leeway).Before(issued) {
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
func (t *trusted) identity(p payload) (identity.Identity, error) {
	if p.Subject == "" {
		return identity.Identity{}, refusal("claim sub is missing")
	}
	if err := t.Rules.Check(p.all); err != nil {
		return identity.Identity{}, err
	}
	id := identity.Identity{Issuer: t.URL}
	var err error
	switch t.Type {
	case typeEmail:
		id.Subject, err = claims.Email(p.all, t.EmailVerifiedString)
	case typeURI:
		id.Subject, err = claims.URI(p.all, t.SubjectDomain)
	case typeUsername:
		id.Subject, err = claims.Username(p.all, t.SubjectDomain)
	case typeSPIFFE:
		id.Subject, err = claims.SPIFFE(p.all, t.TrustDomain)
	case typeKubernetes:
		id.Subject, err = claims.Kubernetes(p.all)
	case Service:
		id.Subject, id.Build, err = t.Service.Identity(p.all)
	}
	if err != nil {
		return identity.Identity{}, err
	}
	if t.Type != typeEmail { // the log would publish an issuer's number for a person
		id.Build.TokenSubject = p.Subject
	}
	if _, err := id.Extensions(); err != nil {
		return identity.Identity{}, refusal("no certificate could carry what the claims make: " + err.Error())
	}
	return id, nil
}

// challenges returns the claims that a proof of possession may sign. Clients
// sign the email if there is one, whatever the issuer's identities are based
// on.
func (p payload) challenges() []string {
	if p.Email == "" {
		return []string{p.Subject}
	}
	return []string{p.Email, p.Subject}
}
