// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/wire/witness"
)

const (
	// maxCause bounds untrusted text in one line of the log.
	maxCause = 500
	// retryAfter is the Retry-After in seconds while the disk fails.
	retryAfter = "10"
)

// Handler returns the handler of add-checkpoint.
func (w *Witness) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+witness.Path, w.serve)
	return mux
}

func (w *Witness) serve(rw http.ResponseWriter, r *http.Request) {
	lines, err := w.answer(http.MaxBytesReader(rw, r.Body, witness.MaxRequest))
	if err != nil {
		w.refuse(rw, r, err)
		return
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Write(lines) // fails only if the client has gone
}

func (w *Witness) answer(in io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", witness.ErrMalformed, err)
	}
	request, err := witness.ParseRequest(raw)
	if err != nil {
		return nil, err
	}
	return w.cosign(request)
}

// status returns the protocol's status for err.
func status(err error) int {
	other := new(conflict)
	switch {
	case errors.Is(err, admission.ErrBusy):
		return http.StatusServiceUnavailable
	case errors.Is(err, witness.ErrMalformed), errors.Is(err, errOldSize):
		return http.StatusBadRequest
	case errors.Is(err, errUnknownLog):
		return http.StatusNotFound
	case errors.Is(err, errSignature):
		return http.StatusForbidden
	case errors.Is(err, errFork), errors.As(err, &other):
		return http.StatusConflict
	case errors.Is(err, errProof):
		return http.StatusUnprocessableEntity
	case errors.Is(err, errPersist):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// refuse sends the protocol's response and logs the reason: a fork or an
// invalid proof may be evidence of misbehavior of a log.
func (w *Witness) refuse(rw http.ResponseWriter, r *http.Request, err error) {
	code, level := status(err), slog.LevelInfo
	if code >= http.StatusInternalServerError || errors.Is(err, errFork) || errors.Is(err, errProof) {
		level = slog.LevelError
	}
	cause := err.Error()
	w.o.Logger.Log(r.Context(), level, "not cosigned", "status", code, "cause", cause[:min(len(cause), maxCause)])
	if other := new(conflict); errors.As(err, &other) {
		rw.Header().Set("Content-Type", witness.TypeSize)
		rw.WriteHeader(code)
		fmt.Fprintf(rw, "%d\n", other.size)
		return
	}
	if code == http.StatusServiceUnavailable {
		rw.Header().Set("Retry-After", retryAfter)
	}
	http.Error(rw, http.StatusText(code), code)
}
