// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hallmark-sign/hallmark/internal/admission"
)

// Paths of the issuer below its URL.
const (
	authorizePath           = "/login/authorize"
	passwordPath            = "/login/password"
	tokenPath               = "/login/token"
	keysPath                = "/login/keys"
	userinfoPath            = "/login/userinfo"
	deviceAuthorizationPath = "/login/device_authorization"
	devicePath              = "/login/device"
	deviceAnswerPath        = "/login/device/answer"
	changePath              = "/login/password-change"
)

const (
	// maxQuery leaves room for the longest redirect URI, and maxBody for the
	// sealed form that results from such a query.
	maxQuery = 4 << 10
	maxBody  = 16 << 10
)

var (
	errParameters = errors.New("parameters can't be read or come twice")
	errMediaType  = errors.New("content type is not application/x-www-form-urlencoded")
)

// Handler returns the handler of /.well-known/openid-configuration and /login/.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+oidc.DiscoveryEndpoint, i.serveDiscovery)
	mux.HandleFunc("GET "+keysPath, func(w http.ResponseWriter, r *http.Request) { op.Keys(w, r, i.store) })
	mux.HandleFunc("GET "+userinfoPath, func(w http.ResponseWriter, r *http.Request) {
		op.Userinfo(&undecided{ResponseWriter: w, instead: func(err error) { i.refuseJSON(w, r, err) }, accounts: i.accounts}, r, i.provider)
	})
	mux.HandleFunc("GET "+authorizePath, i.serveAuthorize)
	mux.HandleFunc("POST "+passwordPath, i.servePassword)
	mux.HandleFunc("POST "+tokenPath, i.serveToken)
	mux.HandleFunc("POST "+deviceAuthorizationPath, i.serveDeviceAuthorization)
	mux.HandleFunc("GET "+devicePath, i.serveDevice)
	mux.HandleFunc("POST "+devicePath, i.serveUserCode)
	mux.HandleFunc("POST "+deviceAnswerPath, i.serveDeviceAnswer)
	mux.HandleFunc("GET "+changePath, i.serveChange)
	mux.HandleFunc("POST "+changePath, i.serveChanged)
	guard := http.NewCrossOriginProtection()
	if err := guard.AddTrustedOrigin(i.url); err != nil {
		panic(err) // checkURL has found a scheme and a host
	}
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { i.refusePage(w, r, errForm) }))
	inner := op.NewIssuerInterceptor(i.provider.IssuerFromRequest).Handler(guard.Handler(mux))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		inner.ServeHTTP(w, r)
	})
}

// setHeaders sets the headers of every response: RFC 6749 §5.1 requires
// no-store for tokens, RFC 9700 §4.16 and §4.2.4 require protection against
// framing and leaks by Referer. The referrer is kept within this site, because
// browsers would otherwise send "Origin: null" with its forms.
func setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// serveDiscovery serves the discovery document (OpenID Connect Discovery §3).
func (i *Issuer) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	op.Discover(w, &oidc.DiscoveryConfiguration{
		Issuer:                            i.url,
		AuthorizationEndpoint:             i.url + authorizePath,
		TokenEndpoint:                     i.url + tokenPath,
		UserinfoEndpoint:                  i.url + userinfoPath,
		JwksURI:                           i.url + keysPath,
		DeviceAuthorizationEndpoint:       i.url + deviceAuthorizationPath,
		ScopesSupported:                   []string{oidc.ScopeOpenID, oidc.ScopeEmail},
		ResponseTypesSupported:            []string{string(oidc.ResponseTypeCode)},
		ResponseModesSupported:            []string{string(oidc.ResponseModeQuery)},
		GrantTypesSupported:               client{}.GrantTypes(),
		SubjectTypesSupported:             []string{"public"},
		IDTokenSigningAlgValuesSupported:  []string{string(jose.RS256), string(jose.ES256)},
		TokenEndpointAuthMethodsSupported: []oidc.AuthMethod{oidc.AuthMethodNone},
		ClaimsSupported:                   []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "email", "email_verified"},
		CodeChallengeMethodsSupported:     []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
	})
}

// parseQuery returns the parameters of a GET.
func parseQuery(r *http.Request) (url.Values, error) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, fmt.Errorf("%w: query is longer than %d bytes", errParameters, maxQuery)
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errParameters // err would quote them
	}
	return values, checkValues(values)
}

// parseForm parses the parameters of a POST, which must be in its body, into
// r.PostForm.
func parseForm(r *http.Request) error {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/x-www-form-urlencoded") {
		return errMediaType
	}
	if r.URL.RawQuery != "" {
		return fmt.Errorf("%w: they belong into the body", errParameters)
	}
	if err := r.ParseForm(); err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return tooLarge
		}
		if errors.Is(err, admission.ErrBusy) {
			return admission.ErrBusy
		}
		return errParameters // err would quote them
	}
	return checkValues(r.PostForm)
}

// checkValues checks that "Request and response parameters MUST NOT be included
// more than once" (RFC 6749 §3.1, §3.2).
func checkValues(values url.Values) error {
	for _, v := range values {
		if len(v) != 1 || !utf8.ValidString(v[0]) || strings.ContainsRune(v[0], 0) {
			return errParameters
		}
	}
	return nil
}

// undecided keeps the library from refusing a token because its account can't
// be read.
type undecided struct {
	http.ResponseWriter
	accounts *Accounts
	instead  func(error) // writes another response
	answered bool
}

// WriteHeader passes on successes, and refusals of a known account.
func (u *undecided) WriteHeader(status int) {
	if status == http.StatusForbidden && u.accounts.failed.Load() {
		u.answered = true
		u.instead(errAccounts)
		return
	}
	u.ResponseWriter.WriteHeader(status)
}

// Write passes on the body unless another response was written.
func (u *undecided) Write(p []byte) (int, error) {
	if u.answered {
		return len(p), nil
	}
	return u.ResponseWriter.Write(p)
}

//go:embed pages
var pageFiles embed.FS

// Data of the pages.
type (
	signIn         struct{ Request, Email, Problem string }
	userCode       struct{ Request, Code, Problem string }
	deviceAnswer   struct{ Request, Code, Email, Problem string }
	message        struct{ Text string }
	code           struct{ Code string }
	passwordChange struct {
		Request, Email, Problem string
		Rule                    string
		Min                     int
	}
)

// signInPage allows the form to redirect to the client, because browsers apply
// form-action to the redirect after a form too.
func (i *Issuer) signInPage(w http.ResponseWriter, status int, r *authRequest, data signIn) {
	i.pages.Write(w, status, "signin.html", "Sign in", origin(r.RedirectURI), data)
}
