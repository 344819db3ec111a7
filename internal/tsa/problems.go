package tsa

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/wire/rpcstatus"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// Errors of the handler itself.
var (
	errMethod      = errors.New("method is not POST")
	errContentType = errors.New("content type is neither application/timestamp-query nor application/json")
	errBody        = errors.New("body can't be read")
)

const (
	// retryAfter is the Retry-After of a 503 in seconds.
	retryAfter = "10"
	// maxCause bounds untrusted text in one line of the log.
	maxCause = 500
)

// A problem is an error response: fail for DER, code for JSON. Its text is
// fixed; the cause is logged.
type problem struct {
	status  int
	fail    timestamp.FailInfo
	code    rpcstatus.Code
	message string
}

// problemOf returns the problem for err.
func problemOf(err error) problem {
	tooLarge, request := new(http.MaxBytesError), new(timestamp.RequestError)
	switch {
	case errors.Is(err, errMethod):
		return problem{http.StatusMethodNotAllowed, timestamp.BadRequest, rpcstatus.Unimplemented, "timestamps are asked for with POST"}
	case errors.Is(err, errContentType):
		return problem{http.StatusUnsupportedMediaType, timestamp.BadDataFormat, rpcstatus.InvalidArgument, "content type must be application/timestamp-query or application/json"}
	case errors.As(err, &tooLarge):
		return problem{http.StatusRequestEntityTooLarge, timestamp.BadDataFormat, rpcstatus.InvalidArgument, "request is larger than 8 KiB"}
	case errors.Is(err, admission.ErrBusy):
		return problem{http.StatusServiceUnavailable, timestamp.SystemFailure, rpcstatus.Unavailable, "too many requests at once"}
	case errors.Is(err, errBody):
		return problem{http.StatusBadRequest, timestamp.BadDataFormat, rpcstatus.InvalidArgument, "request body ended early"}
	case errors.As(err, &request):
		return problem{http.StatusBadRequest, request.Fail, rpcstatus.InvalidArgument, malformed(request.Fail)}
	case errors.Is(err, errPolicy):
		return problem{http.StatusBadRequest, timestamp.UnacceptedPolicy, rpcstatus.InvalidArgument, "policy is not this authority's"}
	case errors.Is(err, errClock):
		return problem{http.StatusServiceUnavailable, timestamp.TimeNotAvailable, rpcstatus.Unavailable, "time is not available now"}
	case errors.Is(err, errExpired):
		return problem{http.StatusServiceUnavailable, timestamp.SystemFailure, rpcstatus.Unavailable, "authority is not valid now"}
	default:
		return problem{http.StatusInternalServerError, timestamp.SystemFailure, rpcstatus.Internal, "internal error"}
	}
}

// malformed returns the text for a malformed request.
func malformed(fail timestamp.FailInfo) string {
	switch fail {
	case timestamp.BadAlg:
		return "hash algorithm must be SHA-256, SHA-384 or SHA-512"
	case timestamp.UnacceptedExtension:
		return "extensions are not accepted"
	}
	return "request is not a valid time-stamp request"
}

// refuse answers with the problem of err, as DER or as JSON:
//
//	30 2f 30 2d 02 01 02 30…  TimeStampResp: rejection, text, failure
//	{"code":3,"message":"…","details":[]}
func (a *Authority) refuse(w http.ResponseWriter, r *http.Request, der bool, err error) {
	p := problemOf(err)
	level := slog.LevelInfo
	if p.code == rpcstatus.Internal || p.code == rpcstatus.Unavailable {
		level = slog.LevelError
	}
	cause := err.Error()
	a.logger.Log(r.Context(), level, "timestamp refused", "status", p.status, "cause", cause[:min(len(cause), maxCause)])
	if p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	contentType, body := p.marshal(der)
	write(w, p.status, contentType, body)
}

func (p problem) marshal(der bool) (contentType string, body []byte) {
	if der {
		if body, err := timestamp.MarshalRejection(p.fail, p.message); err == nil {
			return typeReply, body
		}
	}
	return typeJSON, rpcstatus.Status{Code: p.code, Message: p.message}.Marshal()
}
