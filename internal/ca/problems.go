// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/refusal"
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

// problems lists the refusals of the authority: of the request and its token, and of issuing.
var problems = refusal.Table[rpcstatus.Code]{
	refusal.Throttled(rpcstatus.ResourceExhausted),
	{When: refusal.Is(errMethod), Status: http.StatusMethodNotAllowed, Code: rpcstatus.Unimplemented, Text: "certificates are asked for with POST"},
	{When: refusal.Is(errContentType), Status: http.StatusUnsupportedMediaType, Code: rpcstatus.InvalidArgument, Text: "content type must be application/json"},
	{When: refusal.As[*http.MaxBytesError], Status: http.StatusRequestEntityTooLarge, Code: rpcstatus.InvalidArgument, Text: "request is larger than 64 KiB"},
	{When: refusal.Is(admission.ErrBusy), Status: http.StatusServiceUnavailable, Code: rpcstatus.Unavailable, Text: "too many requests at once", Wait: 1},
	{When: refusal.Is(errBody), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "request body ended early"},
	{When: refusal.Is(fulcio.ErrRequest), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "request is not valid: want a key of the Sigstore algorithm registry with its proof of possession, or a certificate signing request"},
	{When: refusal.Is(errAuthorization), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "Authorization must be Bearer with an ID token of at most 16 KiB"},
	{When: refusal.Is(errTwoTokens), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "ID tokens of Authorization and credentials differ"},
	{When: unavailable, Status: http.StatusServiceUnavailable, Code: rpcstatus.Unavailable, Text: "issuer of the ID token can't be asked now"},
	{When: refusal.Is(context.Canceled, context.DeadlineExceeded), Status: http.StatusServiceUnavailable, Code: rpcstatus.Unavailable, Text: "certificate could not be issued in time"},
	{When: refusal.Is(errToken), Status: http.StatusUnauthorized, Code: rpcstatus.Unauthenticated, Fill: fillToken},
	{When: refusal.Is(errKey), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "key is weak"},
	{When: refusal.Is(errClaimed), Status: http.StatusConflict, Code: rpcstatus.FailedPrecondition, Text: "key is certified for another identity, whose certificate has not ended: use a new key"},
	{When: refusal.Is(errClaims), Status: http.StatusServiceUnavailable, Code: rpcstatus.Unavailable, Text: "too many keys are certified now"},
	{When: refusal.Is(fulcio.ErrProof), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "proof of possession does not verify with the key over the token's email or sub"},
	{When: refusal.Is(errIdentity), Status: http.StatusForbidden, Code: rpcstatus.PermissionDenied, Text: "identity in the ID token can't be certified"},
	{When: refusal.Is(errExpired), Status: http.StatusServiceUnavailable, Code: rpcstatus.Unavailable, Text: "authority is not valid now"},
	{When: refusal.Is(tilelog.ErrBusy), Status: http.StatusServiceUnavailable, Code: rpcstatus.Unavailable, Text: "CT log is busy", Wait: 1},
	{When: refusal.Is(tilelog.ErrFailed, tilelog.ErrClosed), Status: http.StatusServiceUnavailable, Code: rpcstatus.Unavailable, Text: "certificates can't be logged now"},
	{Status: http.StatusInternalServerError, Code: rpcstatus.Internal, Text: "internal error"},
}

// fillToken sets the reason why a token is refused.
func fillToken(p *refusal.Problem[rpcstatus.Code], err error) {
	p.Text = "ID token is refused: " + reason(err)
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
	p := problems.Of(err)
	level := slog.LevelInfo
	if p.Code == rpcstatus.Internal || errors.Is(err, errExpired) {
		level = slog.LevelError
	}
	attributes := []any{"status", p.Status, "cause", refusal.Cut(err.Error())}
	var token interface {
		Claimed() (account, issuer string)
	}
	if errors.As(err, &token) {
		account, issuer := token.Claimed()
		attributes = append(attributes, "account", refusal.Cut(account), "issuer", refusal.Cut(issuer))
	}
	a.o.Logger.Log(r.Context(), level, "certificate refused", attributes...)
	p.SetHeader(w.Header())
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	refusesToken := p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden
	if id := w.Header().Get("X-Request-Id"); id != "" && refusesToken { // lets the operator find the cause in the log
		p.Text += " (request ID " + id + ")"
	}
	write(w, p.Status, typeJSON, rpcstatus.Status{Code: p.Code, Message: p.Text}.Marshal())
}
