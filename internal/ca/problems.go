package ca

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
	"github.com/hallmark-sign/hallmark/wire/rpcstatus"
)

// Errors of the handler itself.
var (
	errMethod        = errors.New("method is not POST")
	errContentType   = errors.New("content type is not application/json")
	errBody          = errors.New("body can't be read")
	errAuthorization = errors.New("authorization is no ID token")
	errTwoTokens     = errors.New("tokens of header and body differ")
)

const (
	// retryAfter is the Retry-After of a 503 in seconds: long enough for a
	// restart.
	retryAfter = "10"
	// busyAfter is the Retry-After in seconds while only the queue of the log is
	// full, which has half a second's work, or while there are too many requests.
	busyAfter = "1"
	// maxCause bounds untrusted text in one line of the log.
	maxCause = 500
)

// A problem is an error response. Its text is fixed; the cause is logged.
type problem struct {
	status  int
	code    rpcstatus.Code
	message string
}

// problemOf returns the problem for err.
func problemOf(err error) problem {
	tooLarge, throttled := new(http.MaxBytesError), new(admission.Throttled)
	switch {
	case errors.As(err, &throttled):
		return problem{http.StatusTooManyRequests, rpcstatus.ResourceExhausted, "too many " + throttled.What}
	case errors.Is(err, errMethod):
		return problem{http.StatusMethodNotAllowed, rpcstatus.Unimplemented, "certificates are asked for with POST"}
	case errors.Is(err, errContentType):
		return problem{http.StatusUnsupportedMediaType, rpcstatus.InvalidArgument, "content type must be application/json"}
	case errors.As(err, &tooLarge):
		return problem{http.StatusRequestEntityTooLarge, rpcstatus.InvalidArgument, "request is larger than 64 KiB"}
	case errors.Is(err, admission.ErrBusy):
		return problem{http.StatusServiceUnavailable, rpcstatus.Unavailable, "too many requests at once"}
	case errors.Is(err, errBody):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "request body ended early"}
	case errors.Is(err, fulcio.ErrRequest):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "request is not valid: want a key of the Sigstore algorithm registry with its proof of possession, or a certificate signing request"}
	case errors.Is(err, errAuthorization):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "Authorization must be Bearer with an ID token of at most 16 KiB"}
	case errors.Is(err, errTwoTokens):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "ID tokens of Authorization and credentials differ"}
	case unavailable(err):
		return problem{http.StatusServiceUnavailable, rpcstatus.Unavailable, "issuer of the ID token can't be asked now"}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return problem{http.StatusServiceUnavailable, rpcstatus.Unavailable, "certificate could not be issued in time"}
	case errors.Is(err, errToken):
		return problem{http.StatusUnauthorized, rpcstatus.Unauthenticated, "ID token is refused: " + reason(err)}
	}
	return problemOfIssuing(err)
}

// problemOfIssuing returns the problem for err if the token is valid.
func problemOfIssuing(err error) problem {
	switch {
	case errors.Is(err, errKey):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "key is weak"}
	case errors.Is(err, errClaimed):
		return problem{http.StatusConflict, rpcstatus.FailedPrecondition, "key is certified for another identity, whose certificate has not ended: use a new key"}
	case errors.Is(err, errClaims):
		return problem{http.StatusServiceUnavailable, rpcstatus.Unavailable, "too many keys are certified now"}
	case errors.Is(err, fulcio.ErrProof):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "proof of possession does not verify with the key over the token's email or sub"}
	case errors.Is(err, errIdentity):
		return problem{http.StatusForbidden, rpcstatus.PermissionDenied, "identity in the ID token can't be certified"}
	case errors.Is(err, errExpired):
		return problem{http.StatusServiceUnavailable, rpcstatus.Unavailable, "authority is not valid now"}
	case errors.Is(err, tilelog.ErrBusy):
		return problem{http.StatusServiceUnavailable, rpcstatus.Unavailable, "CT log is busy"}
	case errors.Is(err, tilelog.ErrFailed), errors.Is(err, tilelog.ErrClosed):
		return problem{http.StatusServiceUnavailable, rpcstatus.Unavailable, "certificates can't be logged now"}
	default:
		return problem{http.StatusInternalServerError, rpcstatus.Internal, "internal error"}
	}
}

// reason returns why a token is refused, for the client who sent it.
func reason(err error) string {
	var r interface{ ForClient() string }
	if errors.As(err, &r) {
		return r.ForClient()
	}
	return "it is missing or can't be read"
}

func unavailable(err error) bool {
	var u interface{ Unavailable() bool }
	return errors.As(err, &u) && u.Unavailable()
}

// refuse answers with the problem of err:
//
//	{"code":3,"message":"…","details":[]}
func (a *Authority) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	level := slog.LevelInfo
	if p.code == rpcstatus.Internal || errors.Is(err, errExpired) {
		level = slog.LevelError
	}
	cause := err.Error()
	attributes := []any{"status", p.status, "cause", cause[:min(len(cause), maxCause)]}
	var token interface {
		Claimed() (account, issuer string)
	}
	if errors.As(err, &token) {
		account, issuer := token.Claimed()
		attributes = append(attributes, "account", account[:min(len(account), maxCause)], "issuer", issuer[:min(len(issuer), maxCause)])
	}
	a.o.Logger.Log(r.Context(), level, "certificate refused", attributes...)
	throttled := new(admission.Throttled)
	switch {
	case errors.As(err, &throttled):
		w.Header().Set("Retry-After", throttled.RetryAfter())
	case errors.Is(err, tilelog.ErrBusy), errors.Is(err, admission.ErrBusy):
		w.Header().Set("Retry-After", busyAfter)
	case p.status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	case p.status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	refusesToken := p.status == http.StatusUnauthorized || p.status == http.StatusForbidden
	if id := w.Header().Get("X-Request-Id"); id != "" && refusesToken { // for the operator, whose log has more
		p.message += " (request ID " + id + ")"
	}
	write(w, p.status, typeJSON, rpcstatus.Status{Code: p.code, Message: p.message}.Marshal())
}
