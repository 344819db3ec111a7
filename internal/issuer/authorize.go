// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hallmark-sign/hallmark/internal/admission"
)

var (
	// errPassword reports a wrong password or an unknown address.
	errPassword = errors.New("no account has this address and password")

	errClient   = errors.New("unknown client")
	errRedirect = errors.New("redirect is not to loopback")
)

// refusedLogin reports why a login failed, whether or not the account exists.
type refusedLogin struct {
	email string
	err   error
}

// Error returns the cause.
func (r *refusedLogin) Error() string { return r.err.Error() }

// Unwrap returns the cause.
func (r *refusedLogin) Unwrap() error { return r.err }

// account returns the account for logs. People type passwords into its field,
// so only an email address is returned.
func (r *refusedLogin) account() string {
	if email, err := parseEmail(r.email); err == nil {
		return email
	}
	return "not an email address"
}

// serveAuthorize serves the authorization endpoint (RFC 6749 §3.1, OpenID
// Connect Core §3.1.2). It responds with the login page. Errors before the
// client is known are shown on a page; others are sent to the client.
func (i *Issuer) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	query, err := parseQuery(r)
	if err != nil {
		i.refusePage(w, r, err)
		return
	}
	c, ok := i.store.clients[query.Get("client_id")]
	if !ok {
		i.refusePage(w, r, errClient)
		return
	}
	c = c.withRedirect(query.Get("redirect_uri"))
	if c.redirect == "" {
		i.refusePage(w, r, errRedirect)
		return
	}
	request, err := i.checkAuthorize(r, c)
	if err != nil {
		i.refuseRedirect(w, r, c.redirect, query.Get("state"), err)
		return
	}
	field, err := seal(i.sealer, forSignIn, i.browser(w, r), request)
	if err != nil {
		i.refusePage(w, r, err)
		return
	}
	i.signInPage(w, http.StatusOK, request, signIn{Request: field})
}

// checkAuthorize refuses unsupported requests. Errors are of type *oidc.Error.
func (i *Issuer) checkAuthorize(r *http.Request, c client) (*authRequest, error) {
	in, err := op.ParseAuthorizeRequest(r, i.provider.Decoder())
	if err != nil {
		return nil, err
	}
	in.IDTokenHint = "" // every request requires a password
	if _, err := op.ValidateAuthRequestClient(r.Context(), in, c, nil); err != nil {
		return nil, err
	}
	switch {
	case in.RequestParam != "" || r.Form.Has("request_uri"):
		return nil, oidc.ErrRequestNotSupported()
	case slices.Contains(in.Prompt, oidc.PromptNone):
		return nil, oidc.ErrLoginRequired()
	case !slices.Contains(in.Scopes, oidc.ScopeOpenID):
		return nil, oidc.ErrInvalidScope().WithDescription("scope must have openid")
	case in.ResponseMode != "" && in.ResponseMode != oidc.ResponseModeQuery:
		return nil, oidc.ErrInvalidRequest().WithDescription("response_mode must be query")
	case in.CodeChallengeMethod != oidc.CodeChallengeMethodS256 || !isDigest(in.CodeChallenge):
		// RFC 9700 §2.1.1: "public clients MUST use PKCE", and plain "MUST NOT".
		return nil, oidc.ErrInvalidRequest().WithDescription("code_challenge with code_challenge_method S256 is required")
	}
	return &authRequest{
		RedirectURI: in.RedirectURI, State: in.State, Nonce: in.Nonce,
		Challenge: in.CodeChallenge, Scopes: knownScopes(in.Scopes), ClientID: c.id, Audience: audienceOf(c.id, i.audience),
	}, nil
}

// isDigest reports whether text is BASE64URL-ENCODE(SHA256(…)) (RFC 7636 §4.2).
func isDigest(text string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) == 32
}

// servePassword handles the form of the login page and redirects to the client
// with a code.
func (i *Issuer) servePassword(w http.ResponseWriter, r *http.Request) {
	request, err := openForm[*authRequest](i, r, forSignIn)
	if err != nil {
		i.refusePage(w, r, err)
		return
	}
	account, err := i.signIn(r, r.PostForm.Get("email"), r.PostForm.Get("password"))
	if err != nil {
		status, problem := i.pageProblem(w, r, err)
		i.signInPage(w, status, request, signIn{
			Request: r.PostForm.Get("request"), Email: r.PostForm.Get("email"), Problem: problem,
		})
		return
	}
	request.Subject, request.AuthTime = account.Subject, time.Now()
	code := rand.Text()
	if err := i.store.addCode(code, request); err != nil {
		i.refusePage(w, r, err)
		return
	}
	i.back(w, r, request.RedirectURI, &op.CodeResponseType{Code: code, State: request.State})
}

// openForm reads a form of this browser and the field that its page sealed.
func openForm[T any](i *Issuer, r *http.Request, purpose string) (T, error) {
	var none T
	if err := parseForm(r); err != nil {
		return none, err
	}
	browser, ok := i.knownBrowser(r)
	if !ok {
		return none, errForm
	}
	return unseal[T](i.sealer, purpose, browser, r.PostForm.Get("request"))
}

// back redirects the browser to the client with response in the query, or shows
// the code on a page for pasting.
func (i *Issuer) back(w http.ResponseWriter, r *http.Request, redirect string, response any) {
	if redirect == outOfBand {
		i.backByHand(w, response)
		return
	}
	target, err := op.AuthResponseURL(redirect, oidc.ResponseTypeCode, oidc.ResponseModeQuery, response, i.provider.Encoder())
	if err != nil {
		i.refusePage(w, r, err)
		return
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// backByHand shows what the client would get by a redirect.
func (i *Issuer) backByHand(w http.ResponseWriter, response any) {
	switch response := response.(type) {
	case *op.CodeResponseType:
		i.pages.Write(w, http.StatusOK, "code.html", "Signed in", "", code{response.Code})
	case *oidc.Error:
		i.pages.Write(w, http.StatusBadRequest, "message.html", "Sign-in stopped", "", message{"The program asked for something that this server does not do: " + response.Description})
	}
}

// signIn checks a password within the limits and logs the sign-in. Errors are
// those of checkLogin.
func (i *Issuer) signIn(r *http.Request, email, password string) (Account, error) {
	signedIn, err := i.checkLogin(r, email, password)
	if err == nil {
		i.logger.InfoContext(r.Context(), "signed in", "account", signedIn.Email)
	}
	return signedIn.Account, err
}

// checkLogin checks a password within the limits. Errors are of type
// *refusedLogin, with errPassword, *admission.Throttled or errBusy.
func (i *Issuer) checkLogin(r *http.Request, email, password string) (record, error) {
	attempt := i.throttle.attempt(admission.ClientOf(r.Context()), email)
	if err := attempt.take(); err != nil {
		return record{}, &refusedLogin{email, err}
	}
	account, err := i.authenticate(r.Context(), email, password, attempt.familiar())
	if err != nil {
		if !errors.Is(err, errPassword) { // not a wrong guess
			attempt.giveBack(allLimits)
		}
		return record{}, &refusedLogin{email, err}
	}
	attempt.succeeded()
	return account, nil
}

func (i *Issuer) authenticate(ctx context.Context, email, password string, familiar bool) (record, error) {
	done, err := i.turns.take(ctx, familiar)
	if err != nil {
		return record{}, err
	}
	defer done()
	account, err := i.accounts.authenticate(email, []byte(password))
	if errors.Is(err, ErrNoAccount) {
		return record{}, errPassword
	}
	return account, err
}

// origin returns the scheme, host and port of a redirect URI in the form of a
// content security policy.
func origin(redirect string) string {
	u, err := url.Parse(redirect)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
