// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/wire/attestations"
)

// prefix is the path of the API, without the subject's digest.
const prefix = "/api/v1/bundles/"

// maxRequest bounds a request: a bundle and the JSON around it.
const maxRequest = attestations.MaxBundle + 1<<10

// Handler returns the handler of the store's API.
func (s *Store) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(prefix+"{digest...}", s.serve)
	return mux
}

func (s *Store) serve(w http.ResponseWriter, r *http.Request) {
	digest, err := attestations.ParseDigest(r.PathValue("digest"))
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", errDigest, err)
	case r.Method == http.MethodPost:
		err = s.servePost(w, r, digest)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		err = s.serveGet(w, r, digest)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		err = errMethod
	}
	if err != nil {
		s.refuse(w, r, err)
	}
}

func (s *Store) servePost(w http.ResponseWriter, r *http.Request, digest []byte) error {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/json") {
		return errContentType
	}
	if err := s.o.Limit.Take(admission.ClientOf(r.Context()).Key()); err != nil {
		return err
	}
	if r.ContentLength > maxRequest {
		return errTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return fmt.Errorf("%w: %w", errBody, err)
	}
	raw, err := attestations.ParseRequest(body)
	if err != nil {
		return err
	}
	id, err := s.Keep(r.Context(), digest, raw)
	if err != nil {
		return err
	}
	write(w, http.StatusCreated, fmt.Appendf(nil, `{"id":%d}`, id))
	return nil
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // fails only if the client has gone
}
