// SPDX-License-Identifier: Apache-2.0

package tsa

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// maxRequest bounds a request, in bytes. One with a long nonce and a policy has
// about two hundred.
const maxRequest = 8 << 10

const (
	typeQuery = "application/timestamp-query"
	typeReply = "application/timestamp-reply"
	typeJSON  = "application/json"
	typePEM   = "application/pem-certificate-chain"
)

// Handler returns the handler of the authority's API.
func (a *Authority) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/timestamp", a.serveTimestamp)
	mux.HandleFunc("GET /api/v1/timestamp/certchain", a.serveCertChain)
	return mux
}

func (a *Authority) serveCertChain(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, typePEM, a.certChain)
}

func (a *Authority) serveTimestamp(w http.ResponseWriter, r *http.Request) {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	reply, err := a.answer(w, r, mediaType)
	if err != nil {
		a.refuse(w, r, mediaType == typeQuery, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	write(w, http.StatusCreated, typeReply, reply)
}

// answer decodes the request, signs the token and encodes the response.
func (a *Authority) answer(w http.ResponseWriter, r *http.Request, mediaType string) ([]byte, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, errMethod
	}
	if mediaType != typeQuery && mediaType != typeJSON {
		return nil, errContentType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBody, err)
	}
	parse := timestamp.ParseRequest
	if mediaType == typeJSON {
		parse = timestamp.ParseRequestJSON
	}
	request, err := parse(body)
	if err != nil {
		return nil, err
	}
	return a.stamp(request)
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // fails only if the client has gone
}
