// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"errors"
	"net/http"

	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/refusal"
)

// pageProblems lists the problems that people see.
var pageProblems = refusal.Table[struct{}]{
	{When: refusal.As[unfit], Status: http.StatusBadRequest, Fill: fillUnfit},
	{When: refusal.Is(errPassword), Status: http.StatusForbidden, Text: "Email or password is wrong."},
	{When: refusal.As[*admission.Throttled], Status: http.StatusTooManyRequests, Text: "Too many attempts. Wait a minute, then try again."},
	{When: refusal.Is(errUnknown), Status: http.StatusNotFound, Text: "No device waits under this code. Codes last ten minutes and serve once."},
	{When: refusal.Is(errForm), Status: http.StatusForbidden, Text: "This page is too old, or your browser keeps no cookies. Begin again at the program that sent you here."},
	{When: refusal.Is(errClient), Status: http.StatusBadRequest, Text: "The program that sent you here is not known to this server."},
	{When: refusal.Is(errRedirect), Status: http.StatusBadRequest, Text: "The program that sent you here wants to be answered at another machine. That is not allowed."},
	{When: refusal.As[*http.MaxBytesError], Status: http.StatusRequestEntityTooLarge, Text: "The form is too large."},
	{When: refusal.Is(errMediaType), Status: http.StatusUnsupportedMediaType, Text: "The form must be application/x-www-form-urlencoded."},
	{When: refusal.Is(errParameters), Status: http.StatusBadRequest, Text: "The request can't be read."},
	{When: refusal.Is(admission.ErrBusy, errBusy, errFull, durable.ErrLocked, context.Canceled, context.DeadlineExceeded), Status: http.StatusServiceUnavailable, Text: "Too many people sign in just now. Try again in a moment."},
	{When: refusal.Is(errAccounts), Status: http.StatusServiceUnavailable, Text: "The accounts can't be read now; the server's log says why. Try again later."},
	{When: durable.Failing, Status: http.StatusServiceUnavailable, Text: "The server's disk takes nothing now, and its log says why. Try again later."},
	{Status: http.StatusInternalServerError, Text: "Something is wrong with this server; its log says what."},
}

// fillUnfit sets the reason why a new password is refused.
func fillUnfit(p *refusal.Problem[struct{}], err error) {
	var bad unfit
	errors.As(err, &bad)
	p.Text = "The new " + string(bad) + "."
}

// oauthProblems lists the problems of clients (RFC 6749 §5.2, RFC 8628 §3.5). The code is the
// kind of error; errors of the library keep their own kind and description.
var oauthProblems = refusal.Table[func() *oidc.Error]{
	{When: refusal.As[*admission.Throttled], Status: http.StatusTooManyRequests, Code: oidc.ErrSlowDown, Text: "too many sign-ins from this address, try again later"},
	{When: refusal.Is(admission.ErrBusy, errFull, errAccounts), Status: http.StatusServiceUnavailable, Code: oidc.ErrServerError, Text: "try again later"},
	{When: refusal.Is(op.ErrDuplicateUserCode), Status: http.StatusServiceUnavailable, Code: oidc.ErrServerError, Text: "try again"},
	{When: refusal.As[*http.MaxBytesError], Status: http.StatusRequestEntityTooLarge, Code: oidc.ErrInvalidRequest, Text: "request is too large"},
	{When: refusal.Is(errMediaType), Status: http.StatusUnsupportedMediaType, Code: oidc.ErrInvalidRequest, Text: "content type must be application/x-www-form-urlencoded"},
	{When: refusal.Is(errParameters), Status: http.StatusBadRequest, Code: oidc.ErrInvalidRequest, Text: "parameters can't be read or come twice"},
	{When: ofLibrary(string(oidc.InvalidClient)), Status: http.StatusUnauthorized, Fill: fillLibrary},
	{When: ofLibrary(""), Status: http.StatusBadRequest, Fill: fillLibrary},
	{Status: http.StatusInternalServerError, Code: oidc.ErrServerError},
}

// ofLibrary matches errors of the library of one kind; if kind is empty, errors of any kind
// but server errors.
func ofLibrary(kind string) refusal.Match {
	return func(err error) bool {
		var e *oidc.Error
		if !errors.As(err, &e) {
			return false
		}
		return string(e.ErrorType) == kind || kind == "" && e.ErrorType != oidc.ServerError
	}
}

// fillLibrary sets the error of the library.
func fillLibrary(p *refusal.Problem[func() *oidc.Error], err error) {
	var e *oidc.Error
	errors.As(err, &e)
	p.Code = func() *oidc.Error { return e }
}

// oauthOf returns the problem of err, and its error in the form for clients.
func oauthOf(err error) (refusal.Problem[func() *oidc.Error], *oidc.Error) {
	p := oauthProblems.Of(err)
	e := p.Code()
	if p.Text != "" {
		e = e.WithDescription("%s", p.Text)
	}
	return p, e
}

// refusePage responds with an error page.
func (i *Issuer) refusePage(w http.ResponseWriter, r *http.Request, err error) {
	status, text := i.pageProblem(w, r, err)
	i.pages.Write(w, status, "message.html", "Sign-in stopped", "", message{text})
}

// pageProblem logs the cause and returns the text for the page.
func (i *Issuer) pageProblem(w http.ResponseWriter, r *http.Request, err error) (status int, text string) {
	p := pageProblems.Of(err)
	i.log(r, p.Status, err)
	p.SetHeader(w.Header())
	return p.Status, p.Text
}

// refuseJSON responds with an error for a client:
//
//	{"error":"invalid_grant","error_description":"invalid code"}
func (i *Issuer) refuseJSON(w http.ResponseWriter, r *http.Request, err error) {
	p, e := oauthOf(err)
	i.log(r, p.Status, err)
	p.SetHeader(w.Header())
	if p.Status == http.StatusUnauthorized {
		// "If the client attempted to authenticate via the "Authorization" request
		// header field, the authorization server MUST respond with … 401 … and
		// include the "WWW-Authenticate" response header field".
		w.Header().Set("WWW-Authenticate", `Basic realm="hallmark"`)
	}
	httphelper.MarshalJSONWithStatus(w, e, p.Status)
}

// refuseRedirect redirects the browser to the client with an error (RFC 6749
// §4.1.2.1).
func (i *Issuer) refuseRedirect(w http.ResponseWriter, r *http.Request, redirect, state string, err error) {
	p, e := oauthOf(err)
	i.log(r, p.Status, err)
	i.back(w, r, redirect, &oidc.Error{ErrorType: e.ErrorType, Description: e.Description, State: state})
}

// log logs a refusal. Waiting devices are not refusals.
func (i *Issuer) log(r *http.Request, status int, err error) {
	if errors.Is(err, oidc.ErrAuthorizationPending()) {
		return
	}
	attributes := []any{"path", r.URL.Path, "status", status, "cause", err}
	if login := new(refusedLogin); errors.As(err, &login) {
		attributes = append(attributes, "account", login.account())
	}
	if status == http.StatusInternalServerError || errors.Is(err, errAccounts) || durable.Failing(err) {
		i.logger.ErrorContext(r.Context(), "login failed", attributes...)
		return
	}
	i.logger.InfoContext(r.Context(), "login refused", attributes...)
}
