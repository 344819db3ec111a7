package issuer

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/durable"
)

// retryAfter is the Retry-After of a 503.
const retryAfter = 10 * time.Second

// A problem is an error response. Its text is fixed; the cause is logged.
type problem struct {
	status int
	text   string
}

// problemOf returns the problem that people see.
func problemOf(err error) problem {
	tooLarge := new(http.MaxBytesError)
	throttled := new(admission.Throttled)
	var bad unfit
	switch {
	case errors.As(err, &bad):
		return problem{http.StatusBadRequest, "The new " + string(bad) + "."}
	case errors.Is(err, errPassword):
		return problem{http.StatusForbidden, "Email or password is wrong."}
	case errors.As(err, &throttled):
		return problem{http.StatusTooManyRequests, "Too many attempts. Wait a minute, then try again."}
	case errors.Is(err, errUnknown):
		return problem{http.StatusNotFound, "No device waits under this code. Codes last ten minutes and serve once."}
	case errors.Is(err, errForm):
		return problem{http.StatusForbidden, "This page is too old, or your browser keeps no cookies. Begin again at the program that sent you here."}
	case errors.Is(err, errClient):
		return problem{http.StatusBadRequest, "The program that sent you here is not known to this server."}
	case errors.Is(err, errRedirect):
		return problem{http.StatusBadRequest, "The program that sent you here wants to be answered at another machine. That is not allowed."}
	case errors.As(err, &tooLarge):
		return problem{http.StatusRequestEntityTooLarge, "The form is too large."}
	case errors.Is(err, errMediaType):
		return problem{http.StatusUnsupportedMediaType, "The form must be application/x-www-form-urlencoded."}
	case errors.Is(err, errParameters):
		return problem{http.StatusBadRequest, "The request can't be read."}
	case errors.Is(err, admission.ErrBusy), errors.Is(err, errBusy), errors.Is(err, errFull), errors.Is(err, durable.ErrLocked), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return problem{http.StatusServiceUnavailable, "Too many people sign in just now. Try again in a moment."}
	case errors.Is(err, errAccounts):
		return problem{http.StatusServiceUnavailable, "The accounts can't be read now; the server's log says why. Try again later."}
	case durable.Failing(err):
		return problem{http.StatusServiceUnavailable, "The server's disk takes nothing now, and its log says why. Try again later."}
	default:
		return problem{http.StatusInternalServerError, "Something is wrong with this server; its log says what."}
	}
}

// oauthOf returns the error for clients (RFC 6749 §5.2, RFC 8628 §3.5), either
// the library's or one in its form.
func oauthOf(err error) (*oidc.Error, int) {
	var e *oidc.Error
	tooLarge, throttled := new(http.MaxBytesError), new(admission.Throttled)
	switch {
	case errors.As(err, &throttled):
		return oidc.ErrSlowDown().WithDescription("too many sign-ins from this address, try again later"), http.StatusTooManyRequests
	case errors.Is(err, admission.ErrBusy), errors.Is(err, errFull), errors.Is(err, errAccounts):
		return oidc.ErrServerError().WithDescription("try again later"), http.StatusServiceUnavailable
	case errors.Is(err, op.ErrDuplicateUserCode):
		return oidc.ErrServerError().WithDescription("try again"), http.StatusServiceUnavailable
	case errors.As(err, &tooLarge):
		return oidc.ErrInvalidRequest().WithDescription("request is too large"), http.StatusRequestEntityTooLarge
	case errors.Is(err, errMediaType):
		return oidc.ErrInvalidRequest().WithDescription("content type must be application/x-www-form-urlencoded"), http.StatusUnsupportedMediaType
	case errors.Is(err, errParameters):
		return oidc.ErrInvalidRequest().WithDescription("parameters can't be read or come twice"), http.StatusBadRequest
	case !errors.As(err, &e) || e.ErrorType == oidc.ServerError:
		return oidc.ErrServerError(), http.StatusInternalServerError
	case e.ErrorType == oidc.InvalidClient:
		return e, http.StatusUnauthorized
	}
	return e, http.StatusBadRequest
}

// refusePage responds with an error page.
func (i *Issuer) refusePage(w http.ResponseWriter, r *http.Request, err error) {
	status, text := i.pageProblem(w, r, err)
	i.pages.Write(w, status, "message.html", "Sign-in stopped", "", message{text})
}

// pageProblem logs the cause and returns the text for the page.
func (i *Issuer) pageProblem(w http.ResponseWriter, r *http.Request, err error) (status int, text string) {
	p := problemOf(err)
	i.log(r, p.status, err)
	switch p.status {
	case http.StatusTooManyRequests:
		setWait(w, err)
	case http.StatusServiceUnavailable:
		setRetryAfter(w, retryAfter)
	}
	return p.status, p.text
}

// setWait sets Retry-After for a throttled client.
func setWait(w http.ResponseWriter, err error) {
	if throttled := new(admission.Throttled); errors.As(err, &throttled) {
		w.Header().Set("Retry-After", throttled.RetryAfter())
	}
}

func setRetryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(wait/time.Second))))
}

// refuseJSON responds with an error for a client:
//
//	{"error":"invalid_grant","error_description":"invalid code"}
func (i *Issuer) refuseJSON(w http.ResponseWriter, r *http.Request, err error) {
	e, status := oauthOf(err)
	i.log(r, status, err)
	switch status {
	case http.StatusServiceUnavailable:
		setRetryAfter(w, retryAfter)
	case http.StatusTooManyRequests:
		setWait(w, err)
	case http.StatusUnauthorized:
		// "If the client attempted to authenticate via the "Authorization" request
		// header field, the authorization server MUST respond with … 401 … and
		// include the "WWW-Authenticate" response header field".
		w.Header().Set("WWW-Authenticate", `Basic realm="hallmark"`)
	}
	httphelper.MarshalJSONWithStatus(w, e, status)
}

// refuseRedirect redirects the browser to the client with an error (RFC 6749
// §4.1.2.1).
func (i *Issuer) refuseRedirect(w http.ResponseWriter, r *http.Request, redirect, state string, err error) {
	e, status := oauthOf(err)
	i.log(r, status, err)
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
