// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/client/idtoken"
)

// defaultClientID is the client ID of Sigstore clients.
const defaultClientID = "sigstore"

// scope requests an ID token with the email address.
const scope = "openid email"

// Options selects the issuer of the token.
type Options struct {
	Issuer   string // URL, exactly as in tokens
	ClientID string // empty means "sigstore"

	// HTTP sends the requests. Nil means a default client. A time limit is set if
	// it has none, and redirects are not followed.
	HTTP *http.Client
}

// A Refused is an error response of the issuer.
type Refused struct {
	Code        string // code of RFC 6749 §5.2 or RFC 8628 §3.5, or the HTTP status
	Description string // description by the issuer, reduced to one line
}

// Error returns the issuer's code and description.
func (e *Refused) Error() string {
	if e.Description == "" {
		return "issuer refuses: " + e.Code
	}
	return "issuer refuses: " + e.Code + ": " + e.Description
}

// A session is a dialog with an issuer.
type session struct {
	issuer, clientID string
	http             *http.Client
	endpoints        endpoints
}

// An endpoints value has the required members of a discovery document (Discovery §3).
type endpoints struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Device        string   `json:"device_authorization_endpoint"`
	Challenges    []string `json:"code_challenge_methods_supported"`
}

// start reads the issuer's endpoints. Errors match client.ErrUnavailable or are
// of type *Refused.
func start(ctx context.Context, o Options) (*session, error) {
	s := &session{issuer: o.Issuer, clientID: o.ClientID, http: limitedClient(o.HTTP)}
	if s.clientID == "" {
		s.clientID = defaultClientID
	}
	if err := checkURL(s.issuer); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	err := s.get(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration", "", &s.endpoints)
	if err != nil {
		return nil, fmt.Errorf("asking %s how to sign in: %w", s.issuer, err)
	}
	// "MUST be identical to the Issuer URL that was used as the prefix" (§4.3).
	if s.endpoints.Issuer != s.issuer {
		return nil, fmt.Errorf("asking %s how to sign in: the response is from issuer %q", s.issuer, s.endpoints.Issuer)
	}
	return s, nil
}

func limitedClient(client *http.Client) *http.Client {
	limited := http.Client{}
	if client != nil {
		limited = *client
	}
	if limited.Timeout == 0 {
		limited.Timeout = 30 * time.Second
	}
	limited.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &limited
}

// checkURL requires https except to loopback, since passwords, codes and tokens
// are sent.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err == nil && u.User != nil {
		return fmt.Errorf("%s has a user or a password in it", u.Redacted())
	}
	if err != nil || u.Host == "" || u.Fragment != "" {
		return errors.New("not the URL of a service")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return fmt.Errorf("%s is not https", text)
	}
	return nil
}

// An attempt is one authorization request with its secrets.
type attempt struct {
	redirect, state, nonce, verifier string
}

// newAttempt generates the secrets. rand.Text has at least 128 bits; a verifier
// has at least 43 characters (RFC 7636 §4.1).
func newAttempt(redirect string) attempt {
	return attempt{redirect, rand.Text(), rand.Text(), rand.Text() + rand.Text()}
}

// address returns the URL to open in the browser (OpenID Connect Core §3.1.2.1,
// RFC 7636 §4.3).
func (s *session) address(a attempt) (string, error) {
	if err := checkURL(s.endpoints.Authorization); err != nil {
		return "", fmt.Errorf("authorization endpoint: %w", err)
	}
	challenge := sha256.Sum256([]byte(a.verifier))
	query := url.Values{
		"response_type":         {"code"},
		"client_id":             {s.clientID},
		"redirect_uri":          {a.redirect},
		"scope":                 {scope},
		"state":                 {a.state},
		"nonce":                 {a.nonce},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}
	separator := "?"
	if strings.Contains(s.endpoints.Authorization, "?") {
		separator = "&"
	}
	return s.endpoints.Authorization + separator + query.Encode(), nil
}

// redeem checks the parameters of the redirect and returns the token. Errors
// match client.ErrUnavailable or are of type *Refused.
func (s *session) redeem(ctx context.Context, a attempt, query url.Values) (string, error) {
	if query.Get("state") != a.state {
		return "", errors.New("response does not belong to this attempt to sign in")
	}
	if code := query.Get("error"); code != "" {
		return "", &Refused{oneLine(code), oneLine(query.Get("error_description"))}
	}
	if query.Get("code") == "" {
		return "", errors.New("response has no code")
	}
	return s.token(ctx, a.nonce, url.Values{
		"grant_type":    {"authorization_code"},
		"client_id":     {s.clientID},
		"code":          {query.Get("code")},
		"redirect_uri":  {a.redirect},
		"code_verifier": {a.verifier},
	})
}

// token requests a token from the token endpoint and checks its claims.
func (s *session) token(ctx context.Context, nonce string, form url.Values) (string, error) {
	var answer struct {
		IDToken string `json:"id_token"`
	}
	if err := s.post(ctx, s.endpoints.Token, form, &answer); err != nil {
		return "", err
	}
	if answer.IDToken == "" {
		return "", errors.New("issuer returned no ID token")
	}
	c, err := idtoken.Parse(answer.IDToken)
	if err != nil {
		return "", err
	}
	switch {
	case c.Issuer != s.issuer:
		return "", fmt.Errorf("token is from issuer %q", c.Issuer)
	case !c.Audience.Has(s.clientID):
		return "", errors.New("token is not for this client")
	case nonce != "" && c.Nonce != nonce:
		return "", errors.New("token does not belong to this attempt to sign in: its nonce differs")
	}
	return answer.IDToken, nil
}
