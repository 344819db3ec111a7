package rekorlog

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/hallmark-sign/hallmark/internal/admission"
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

const (
	// retryAfter is the Retry-After of a 503 in seconds: long enough for a
	// restart.
	retryAfter = "10"
	// busyAfter is the Retry-After in seconds while only the queue of the log is
	// full, which has half a second's work, while witnesses are asked again, or
	// while there are too many requests.
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
	tooLarge, late, throttled := new(http.MaxBytesError), new(frozen), new(admission.Throttled)
	switch {
	case errors.As(err, &late):
		return problem{http.StatusGone, rpcstatus.FailedPrecondition, "this log is frozen, entries go to " + late.next + ": get the instance's trust files again"}
	case errors.As(err, &throttled):
		return problem{http.StatusTooManyRequests, rpcstatus.ResourceExhausted, "too many " + throttled.What}
	case errors.Is(err, errMethod):
		return problem{http.StatusMethodNotAllowed, rpcstatus.Unimplemented, "entries are added with POST"}
	case errors.Is(err, errContentType):
		return problem{http.StatusUnsupportedMediaType, rpcstatus.InvalidArgument, "content type must be application/json"}
	case errors.As(err, &tooLarge):
		return problem{http.StatusRequestEntityTooLarge, rpcstatus.InvalidArgument, "request is larger than 8 MiB"}
	case errors.Is(err, admission.ErrBusy):
		return problem{http.StatusServiceUnavailable, rpcstatus.Unavailable, "too many requests at once"}
	case errors.Is(err, errBody):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "request body ended early"}
	case errors.Is(err, rekor.ErrMalformed):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "request is not a valid hashedRekordRequestV002 or dsseRequestV002"}
	case errors.Is(err, rekor.ErrAlgorithm):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "keyDetails names no supported algorithm with a hash; pure Ed25519 can't be logged"}
	case errors.Is(err, rekor.ErrDigest):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "digest is not as long as the hash of keyDetails"}
	case errors.Is(err, rekor.ErrVerifier):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "verifier is not a key or certificate of the kind that keyDetails names"}
	case errors.Is(err, rekor.ErrSignature):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "signature does not verify with the verifier over the digest"}
	case errors.Is(err, rekor.ErrTooLarge), errors.Is(err, tilelog.ErrEntry):
		return problem{http.StatusBadRequest, rpcstatus.InvalidArgument, "entry is larger than 64 KiB"}
	case errors.Is(err, tilelog.ErrBusy):
		return problem{http.StatusServiceUnavailable, rpcstatus.Unavailable, "log is busy"}
	case errors.Is(err, tilelog.ErrUnwitnessed):
		return problem{http.StatusServiceUnavailable, rpcstatus.Unavailable, "log waits for its witnesses"}
	case errors.Is(err, tilelog.ErrFailed), errors.Is(err, tilelog.ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return problem{http.StatusServiceUnavailable, rpcstatus.Unavailable, "log takes no entries now"}
	default:
		return problem{http.StatusInternalServerError, rpcstatus.Internal, "internal error"}
	}
}

// refuse answers with the problem of err:
//
//	{"code":3,"message":"…","details":[]}
func refuse(w http.ResponseWriter, r *http.Request, logger *slog.Logger, err error) {
	p := problemOf(err)
	level := slog.LevelInfo
	if p.code == rpcstatus.Internal {
		level = slog.LevelError
	}
	cause := err.Error()
	logger.Log(r.Context(), level, "entry refused", "status", p.status, "cause", cause[:min(len(cause), maxCause)])
	w.Header().Set("Content-Type", "application/json")
	throttled := new(admission.Throttled)
	switch {
	case errors.As(err, &throttled):
		w.Header().Set("Retry-After", throttled.RetryAfter())
	case errors.Is(err, tilelog.ErrBusy), errors.Is(err, tilelog.ErrUnwitnessed), errors.Is(err, admission.ErrBusy):
		w.Header().Set("Retry-After", busyAfter)
	case p.status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(p.status)
	// Write fails only if the client has gone.
	w.Write(rpcstatus.Status{Code: p.code, Message: p.message}.Marshal())
}
