package evidence

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/admission"
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

const (
	// retryAfter is the Retry-After of a 503 in seconds: long enough for a
	// restart.
	retryAfter = "10"
	// maxCause bounds untrusted text in one line of the log.
	maxCause = 500
)

// A problem is an error response. Its text is fixed, except for the code with
// which package verify refused a bundle. The cause is logged.
type problem struct {
	status  int
	message string
}

// problemOf returns the problem for err.
func problemOf(err error) problem {
	tooLarge, refused, throttled := new(http.MaxBytesError), new(verify.Error), new(admission.Throttled)
	switch {
	case errors.As(err, &throttled):
		return problem{http.StatusTooManyRequests, "too many " + throttled.What}
	case errors.Is(err, errNotFound):
		return problem{http.StatusNotFound, attestations.NotFound}
	case errors.Is(err, errMethod):
		return problem{http.StatusMethodNotAllowed, "bundles are read with GET and added with POST"}
	case errors.Is(err, errDigest):
		return problem{http.StatusBadRequest, "path must end in sha256: and 64 lower-case hexadecimal digits"}
	case errors.Is(err, errQuery):
		return problem{http.StatusBadRequest, "want per_page from 1 to 100, and after or before from an answer's Link"}
	case errors.Is(err, errContentType):
		return problem{http.StatusUnsupportedMediaType, "content type must be application/json"}
	case errors.As(err, &tooLarge), errors.Is(err, errTooLarge):
		return problem{http.StatusRequestEntityTooLarge, "bundle is larger than 32 MiB"}
	case errors.Is(err, errPadded):
		return problem{http.StatusRequestEntityTooLarge, "bundle has more than 64 KiB besides its statement"}
	case errors.Is(err, errSubjects):
		return problem{http.StatusRequestEntityTooLarge, "bundle is too large for so many subjects: together, under all of them, it may take 64 MiB"}
	case errors.Is(err, admission.ErrBusy):
		return problem{http.StatusServiceUnavailable, "too many requests at once"}
	case errors.Is(err, errBody):
		return problem{http.StatusBadRequest, "request body ended early, or came too slowly"}
	case errors.Is(err, attestations.ErrMalformed):
		return problem{http.StatusBadRequest, `request is not {"bundle":{…}}`}
	case errors.Is(err, bundle.ErrMalformed):
		return problem{http.StatusUnprocessableEntity, "bundle is none, or none that can be written as v0.3"}
	case errors.As(err, &refused):
		return problem{http.StatusUnprocessableEntity, "bundle is refused: " + string(refused.Code)}
	case errors.Is(err, errKey):
		return problem{http.StatusUnprocessableEntity, "bundle is signed with a key: only those of certificates of this instance are kept"}
	case errors.Is(err, errStranger):
		return problem{http.StatusUnprocessableEntity, "bundle has a log entry or timestamp of a log or authority that this instance does not know"}
	case errors.Is(err, errSubjectFull):
		return problem{http.StatusConflict, "this digest has as many bundles as it may have, or as many of this signer as leave room for others"}
	case errors.Is(err, errFull):
		return problem{http.StatusInsufficientStorage, "store is full"}
	case errors.Is(err, errUnreadable):
		return problem{http.StatusServiceUnavailable, "bundles can't be read now"}
	case errors.Is(err, errFailed), errors.Is(err, errCounting),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return problem{http.StatusServiceUnavailable, "store takes no bundles now"}
	default:
		return problem{http.StatusInternalServerError, "internal error"}
	}
}

// refuse responds with the problem of err:
//
//	{"message":"…","status":"422"}
func (s *Store) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	level := slog.LevelInfo
	switch {
	case p.status == http.StatusInternalServerError:
		level = slog.LevelError
	case p.status == http.StatusNotFound: // a normal response
		level = slog.LevelDebug
	}
	cause := err.Error()
	s.o.Logger.Log(r.Context(), level, "evidence refused", "status", p.status, "cause", cause[:min(len(cause), maxCause)])
	if throttled := new(admission.Throttled); errors.As(err, &throttled) {
		w.Header().Set("Retry-After", throttled.RetryAfter())
	}
	if p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	if p.status == http.StatusNotFound {
		w.Header().Set("Cache-Control", "no-cache")
	}
	write(w, p.status, attestations.MarshalProblem(p.status, p.message))
}
