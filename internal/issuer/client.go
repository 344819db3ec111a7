// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// maxRedirect bounds a redirect URI, in bytes.
const maxRedirect = 1024

// maxClientID bounds the ID of a client, in bytes.
const maxClientID = 200

// outOfBand is the redirect URI of clients that can't be redirected to: people
// paste the code. Google's OAuth defined it, and Sigstore's clients use it.
const outOfBand = "urn:ietf:wg:oauth:2.0:oob"

// A Client is a program that the issuer accepts. It is public: it has no secret.
type Client struct {
	ID        string
	Algorithm string // of its ID tokens: RS256 (default) or ES256
}

// A client is an op.Client for a program on a user's machine.
type client struct {
	id        string
	algorithm jose.SignatureAlgorithm
	redirect  string // redirect URI of the request, if allowed
}

// newClients returns the clients by ID, including the one with the ID always.
func newClients(always string, configured []Client) (map[string]client, error) {
	all := map[string]client{}
	for _, c := range configured {
		algorithm := cmp.Or(jose.SignatureAlgorithm(c.Algorithm), jose.RS256)
		_, twice := all[c.ID]
		switch {
		case c.ID == "" || len(c.ID) > maxClientID:
			return nil, fmt.Errorf("client %.100q: want an id of at most %d bytes", c.ID, maxClientID)
		case twice:
			return nil, fmt.Errorf("client %q occurs twice", c.ID)
		case algorithm != jose.RS256 && algorithm != jose.ES256:
			return nil, fmt.Errorf("client %q: ID tokens are signed with RS256 or ES256, not %q", c.ID, c.Algorithm)
		}
		all[c.ID] = client{id: c.ID, algorithm: algorithm}
	}
	if _, ok := all[always]; !ok {
		all[always] = client{id: always, algorithm: jose.RS256}
	}
	return all, nil
}

// withRedirect returns the client for a request with the redirect URI uri.
func (c client) withRedirect(uri string) client {
	if uri == outOfBand || isLoopbackRedirect(uri) {
		c.redirect = uri
	}
	return c
}

// isLoopbackRedirect reports whether uri is on loopback: "The authorization
// server MUST allow any port to be specified at the time of the request for
// loopback IP redirect URIs" (RFC 8252 §7.3). Any path is allowed too, since
// clients differ. cosign uses localhost, although §8.3 prefers the address.
func isLoopbackRedirect(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || len(uri) > maxRedirect || u.String() != uri || strings.ContainsAny(uri, "?#\\") {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "http" && u.User == nil && (host == "localhost" || host == "127.0.0.1")
}

// Methods of op.Client.

func (c client) GetID() string                       { return c.id }
func (c client) PostLogoutRedirectURIs() []string    { return nil }
func (c client) ApplicationType() op.ApplicationType { return op.ApplicationTypeNative }
func (c client) AuthMethod() oidc.AuthMethod         { return oidc.AuthMethodNone }
func (c client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c client) LoginURL(string) string               { return "" }
func (c client) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeBearer }
func (c client) IDTokenLifetime() time.Duration       { return tokenLife }
func (c client) DevMode() bool                        { return false }
func (c client) IsScopeAllowed(string) bool           { return false }
func (c client) IDTokenUserinfoClaimsAssertion() bool { return true }
func (c client) ClockSkew() time.Duration             { return 0 }
func (c client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeDeviceCode}
}

// RedirectURIs returns the URI of withRedirect, which the library compares.
func (c client) RedirectURIs() []string {
	if c.redirect == "" {
		return nil
	}
	return []string{c.redirect}
}

// RestrictAdditionalIdTokenScopes does not restrict scopes; knownScopes has
// done so.
func (c client) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}

// RestrictAdditionalAccessTokenScopes does not restrict scopes; knownScopes has
// done so.
func (c client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
