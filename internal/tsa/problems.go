// SPDX-License-Identifier: Apache-2.0

package tsa

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/refusal"
	"github.com/hallmark-sign/hallmark/wire/rpcstatus"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// Errors of the handler itself.
var (
	errMethod      = errors.New("method is not POST")
	errContentType = errors.New("content type is neither application/timestamp-query nor application/json")
	errBody        = errors.New("body can't be read")
)

// A code is the failure of a rejection in DER, and the code of one in JSON.
type code struct {
	fail timestamp.FailInfo
	rpc  rpcstatus.Code
}

// problems lists the refusals of the authority.
var problems = refusal.Table[code]{
	{When: refusal.Is(errMethod), Status: http.StatusMethodNotAllowed, Code: code{timestamp.BadRequest, rpcstatus.Unimplemented}, Text: "timestamps are asked for with POST"},
	{When: refusal.Is(errContentType), Status: http.StatusUnsupportedMediaType, Code: code{timestamp.BadDataFormat, rpcstatus.InvalidArgument}, Text: "content type must be application/timestamp-query or application/json"},
	{When: refusal.As[*http.MaxBytesError], Status: http.StatusRequestEntityTooLarge, Code: code{timestamp.BadDataFormat, rpcstatus.InvalidArgument}, Text: "request is larger than 8 KiB"},
	{When: refusal.Is(admission.ErrBusy), Status: http.StatusServiceUnavailable, Code: code{timestamp.SystemFailure, rpcstatus.Unavailable}, Text: "too many requests at once"},
	{When: refusal.Is(errBody), Status: http.StatusBadRequest, Code: code{timestamp.BadDataFormat, rpcstatus.InvalidArgument}, Text: "request body ended early"},
	{When: refusal.As[*timestamp.RequestError], Status: http.StatusBadRequest, Fill: fillRequest},
	{When: refusal.Is(errPolicy), Status: http.StatusBadRequest, Code: code{timestamp.UnacceptedPolicy, rpcstatus.InvalidArgument}, Text: "policy is not this authority's"},
	{When: refusal.Is(errClock), Status: http.StatusServiceUnavailable, Code: code{timestamp.TimeNotAvailable, rpcstatus.Unavailable}, Text: "time is not available now"},
	{When: refusal.Is(errExpired), Status: http.StatusServiceUnavailable, Code: code{timestamp.SystemFailure, rpcstatus.Unavailable}, Text: "authority is not valid now"},
	{Status: http.StatusInternalServerError, Code: code{timestamp.SystemFailure, rpcstatus.Internal}, Text: "internal error"},
}

// fillRequest writes what is wrong with a time-stamp request.
func fillRequest(p *refusal.Problem[code], err error) {
	request := new(timestamp.RequestError)
	if !errors.As(err, &request) {
		return
	}
	p.Code = code{request.Fail, rpcstatus.InvalidArgument}
	switch request.Fail {
	case timestamp.BadAlg:
		p.Text = "hash algorithm must be SHA-256, SHA-384 or SHA-512"
	case timestamp.UnacceptedExtension:
		p.Text = "extensions are not accepted"
	default:
		p.Text = "request is not a valid time-stamp request"
	}
}

// refuse answers with the problem of err, as DER or as JSON:
//
//	30 2f 30 2d 02 01 02 30…  TimeStampResp: rejection, text, failure
//	{"code":3,"message":"…","details":[]}
func (a *Authority) refuse(w http.ResponseWriter, r *http.Request, der bool, err error) {
	p := problems.Of(err)
	level := slog.LevelInfo
	if p.Code.rpc == rpcstatus.Internal || p.Code.rpc == rpcstatus.Unavailable {
		level = slog.LevelError
	}
	a.logger.Log(r.Context(), level, "timestamp refused", "status", p.Status, "cause", refusal.Cut(err.Error()))
	p.SetHeader(w.Header())
	contentType, body := encode(p, der)
	write(w, p.Status, contentType, body)
}

func encode(p refusal.Problem[code], der bool) (contentType string, body []byte) {
	if der {
		if body, err := timestamp.MarshalRejection(p.Code.fail, p.Text); err == nil {
			return typeReply, body
		}
	}
	return typeJSON, rpcstatus.Status{Code: p.Code.rpc, Message: p.Text}.Marshal()
}
