// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/refusal"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/attestations"
)

// Errors of the handler itself.
var (
	errMethod      = errors.New("method is neither GET nor POST")
	errDigest      = errors.New("path is not a digest")
	errQuery       = errors.New("query makes no sense")
	errContentType = errors.New("content type is not application/json")
	errBody        = errors.New("body can't be read")
	errNotFound    = errors.New("subject has no bundle")
)

// none is the type of further data in a problem: there is none.
type none = struct{}

// problems lists the refusals of the store.
var problems = refusal.Table[none]{
	refusal.Throttled(none{}),
	{When: refusal.Is(errNotFound), Status: http.StatusNotFound, Text: attestations.NotFound},
	{When: refusal.Is(errMethod), Status: http.StatusMethodNotAllowed, Text: "bundles are read with GET and added with POST"},
	{When: refusal.Is(errDigest), Status: http.StatusBadRequest, Text: "path must end in sha256: and 64 lower-case hexadecimal digits"},
	{When: refusal.Is(errQuery), Status: http.StatusBadRequest, Text: "want per_page from 1 to 100, and after or before from an answer's Link"},
	{When: refusal.Is(errContentType), Status: http.StatusUnsupportedMediaType, Text: "content type must be application/json"},
	{When: refusal.As[*http.MaxBytesError], Status: http.StatusRequestEntityTooLarge, Text: "bundle is larger than 32 MiB"},
	{When: refusal.Is(errTooLarge), Status: http.StatusRequestEntityTooLarge, Text: "bundle is larger than 32 MiB"},
	{When: refusal.Is(errPadded), Status: http.StatusRequestEntityTooLarge, Text: "bundle has more than 64 KiB besides its statement"},
	{When: refusal.Is(errSubjects), Status: http.StatusRequestEntityTooLarge, Text: "bundle is too large for so many subjects: together, under all of them, it may take 64 MiB"},
	{When: refusal.Is(admission.ErrBusy), Status: http.StatusServiceUnavailable, Text: "too many requests at once"},
	{When: refusal.Is(errBody), Status: http.StatusBadRequest, Text: "request body ended early, or came too slowly"},
	{When: refusal.Is(attestations.ErrMalformed), Status: http.StatusBadRequest, Text: `request is not {"bundle":{…}}`},
	{When: refusal.Is(bundle.ErrMalformed), Status: http.StatusUnprocessableEntity, Text: "bundle is malformed, or can't be written as v0.3"},
	{When: refusal.As[*verify.Error], Status: http.StatusUnprocessableEntity, Fill: fillRefused},
	{When: refusal.Is(errKey), Status: http.StatusUnprocessableEntity, Text: "bundle is signed with a key: only those of certificates of this instance are kept"},
	{When: refusal.Is(errStranger), Status: http.StatusUnprocessableEntity, Text: "bundle has a log entry or timestamp of a log or authority that this instance does not know"},
	{When: refusal.Is(errSubjectFull), Status: http.StatusConflict, Text: "this digest has as many bundles as it may have, or as many of this signer as leave room for others"},
	{When: refusal.Is(errFull), Status: http.StatusInsufficientStorage, Text: "store is full"},
	{When: refusal.Is(errUnreadable), Status: http.StatusServiceUnavailable, Text: "bundles can't be read now"},
	{When: refusal.Is(errFailed, errCounting, context.Canceled, context.DeadlineExceeded), Status: http.StatusServiceUnavailable, Text: "store takes no bundles now"},
	{Status: http.StatusInternalServerError, Text: "internal error"},
}

// fillRefused adds the code with which package verify refused a bundle.
func fillRefused(p *refusal.Problem[none], err error) {
	if refused := new(verify.Error); errors.As(err, &refused) {
		p.Text = "bundle is refused: " + string(refused.Code)
	}
}

// refuse responds with the problem of err:
//
//	{"message":"…","status":"422"}
func (s *Store) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problems.Of(err)
	level := slog.LevelInfo
	switch {
	case p.Status == http.StatusInternalServerError:
		level = slog.LevelError
	case p.Status == http.StatusNotFound: // a normal response
		level = slog.LevelDebug
	}
	s.o.Logger.Log(r.Context(), level, "evidence refused", "status", p.Status, "cause", refusal.Cut(err.Error()))
	p.SetHeader(w.Header())
	if p.Status == http.StatusNotFound {
		w.Header().Set("Cache-Control", "no-cache")
	}
	write(w, p.Status, attestations.MarshalProblem(p.Status, p.Text))
}
