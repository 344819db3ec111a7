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

// maxRedirect is how long a redirect URI may be, in bytes.
const maxRedirect = 1024

// maxClientID is how long the id of a client may be, in bytes.
const maxClientID = 200

// outOfBand is the redirect URI of clients that have no browser of their own to be called
// back by: people paste the code. It was of Google's OAuth, and Sigstore's clients use it.
const outOfBand = "urn:ietf:wg:oauth:2.0:oob"

// Client is a program that is known to the issuer. It is public: it has no secret.
type Client struct {
	ID        string
	Algorithm string // of its ID tokens: RS256 or ES256; empty is RS256
}

// client is a program on somebody's machine: an op.Client.
type client struct {
	id        string
	algorithm jose.SignatureAlgorithm
	redirect  string // the request's redirect URI, if it is allowed
}

// newClients returns the clients by their ids, among them the one with this id.
func newClients(always string, configured []Client) (map[string]client, error) {
	all := map[string]client{}
	for _, c := range configured {
		algorithm := cmp.Or(jose.SignatureAlgorithm(c.Algorithm), jose.RS256)
		_, twice := all[c.ID]
		switch {
		case c.ID == "" || len(c.ID) > maxClientID:
			return nil, fmt.Errorf("client %.100q: want an id of at most %d bytes", c.ID, maxClientID)
		case twice:
			return nil, fmt.Errorf("client %q comes twice", c.ID)
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

// withRedirect returns the client for a request that comes back to uri.
func (c client) withRedirect(uri string) client {
	if uri == outOfBand || isLoopbackRedirect(uri) {
		c.redirect = uri
	}
	return c
}

// isLoopbackRedirect: "The authorization server MUST allow any port to be
// specified at the time of the request for loopback IP redirect URIs" (RFC 8252
// §7.3), and here any path, since each client has its own. localhost is what
// cosign uses, though §8.3 prefers the address.
func isLoopbackRedirect(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || len(uri) > maxRedirect || u.String() != uri || strings.ContainsAny(uri, "?#\\") {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "http" && u.User == nil && (host == "localhost" || host == "127.0.0.1")
}

// The getters are those of op.Client.

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

// RedirectURIs is the URI of withRedirect, which the library compares.
func (c client) RedirectURIs() []string {
	if c.redirect == "" {
		return nil
	}
	return []string{c.redirect}
}

// RestrictAdditionalIdTokenScopes restricts nothing: knownScopes did.
func (c client) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}

// RestrictAdditionalAccessTokenScopes restricts nothing: knownScopes did.
func (c client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
