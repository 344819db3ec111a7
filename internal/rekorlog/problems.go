// SPDX-License-Identifier: Apache-2.0

package rekorlog

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/refusal"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/rpcstatus"
)

// Errors of the handler itself.
var (
	errMethod      = errors.New("method is not POST")
	errContentType = errors.New("content type is not application/json")
	errBody        = errors.New("body can't be read")
)

// problems lists the refusals of the log. Its queue holds half a second's work, and witnesses
// are asked again after a second: in both cases clients retry after a second.
var problems = refusal.Table[rpcstatus.Code]{
	{When: refusal.As[*frozen], Status: http.StatusGone, Code: rpcstatus.FailedPrecondition, Fill: fillFrozen},
	refusal.Throttled(rpcstatus.ResourceExhausted),
	{When: refusal.Is(errMethod), Status: http.StatusMethodNotAllowed, Code: rpcstatus.Unimplemented, Text: "entries are added with POST"},
	{When: refusal.Is(errContentType), Status: http.StatusUnsupportedMediaType, Code: rpcstatus.InvalidArgument, Text: "content type must be application/json"},
	{When: refusal.As[*http.MaxBytesError], Status: http.StatusRequestEntityTooLarge, Code: rpcstatus.InvalidArgument, Text: "request is larger than 8 MiB"},
	{When: refusal.Is(admission.ErrBusy), Status: http.StatusServiceUnavailable, Code: rpcstatus.Unavailable, Text: "too many requests at once", Wait: 1},
	{When: refusal.Is(errBody), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "request body ended early"},
	{When: refusal.Is(rekor.ErrMalformed), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "request is not a valid hashedRekordRequestV002 or dsseRequestV002"},
	{When: refusal.Is(rekor.ErrAlgorithm), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "keyDetails names no supported algorithm with a hash; pure Ed25519 can't be logged"},
	{When: refusal.Is(rekor.ErrDigest), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "digest is not as long as the hash of keyDetails"},
	{When: refusal.Is(rekor.ErrVerifier), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "verifier is not a key or certificate of the kind that keyDetails names"},
	{When: refusal.Is(rekor.ErrSignature), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "signature does not verify with the verifier over the digest"},
	{When: refusal.Is(rekor.ErrTooLarge, tilelog.ErrEntry), Status: http.StatusBadRequest, Code: rpcstatus.InvalidArgument, Text: "entry is larger than 64 KiB"},
	{When: refusal.Is(tilelog.ErrBusy), Status: http.StatusServiceUnavailable, Code: rpcstatus.Unavailable, Text: "log is busy", Wait: 1},
	{When: refusal.Is(tilelog.ErrUnwitnessed), Status: http.StatusServiceUnavailable, Code: rpcstatus.Unavailable, Text: "log waits for its witnesses", Wait: 1},
	{When: refusal.Is(tilelog.ErrFailed, tilelog.ErrClosed, context.Canceled, context.DeadlineExceeded), Status: http.StatusServiceUnavailable, Code: rpcstatus.Unavailable, Text: "log takes no entries now"},
	{Status: http.StatusInternalServerError, Code: rpcstatus.Internal, Text: "internal error"},
}

// fillFrozen sets the text, with the log that accepts entries.
func fillFrozen(p *refusal.Problem[rpcstatus.Code], err error) {
	if late := new(frozen); errors.As(err, &late) {
		p.Text = "this log is frozen, entries go to " + late.next + ": get the instance's trust files again"
	}
}

// refuse responds with the problem of err:
//
//	{"code":3,"message":"…","details":[]}
func refuse(w http.ResponseWriter, r *http.Request, logger *slog.Logger, err error) {
	p := problems.Of(err)
	level := slog.LevelInfo
	if p.Code == rpcstatus.Internal {
		level = slog.LevelError
	}
	logger.Log(r.Context(), level, "entry refused", "status", p.Status, "cause", refusal.Cut(err.Error()))
	w.Header().Set("Content-Type", "application/json")
	p.SetHeader(w.Header())
	w.WriteHeader(p.Status)
	// Write fails only if the client has gone.
	w.Write(rpcstatus.Status{Code: p.Code, Message: p.Text}.Marshal())
}
