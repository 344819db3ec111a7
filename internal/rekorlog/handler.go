// SPDX-License-Identifier: Apache-2.0

package rekorlog

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// Handler returns the handler of the log's API under /api/v2/.
func (l *Log) Handler() http.Handler {
	mux := l.log.Handler("/api/v2")
	mux.HandleFunc("/api/v2/log/entries", l.serveEntries)
	return mux
}

func (l *Log) serveEntries(w http.ResponseWriter, r *http.Request) {
	entry, err := l.addEntry(w, r)
	if err != nil {
		refuse(w, r, l.logger, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(entry)))
	w.WriteHeader(http.StatusCreated)
	w.Write(entry) // fails only if the client has gone
}

// addEntry decodes the request, logs the entry and encodes the response.
func (l *Log) addEntry(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, errMethod
	}
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/json") {
		return nil, errContentType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, rekor.MaxRequest))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBody, err)
	}
	request, err := rekor.ParseRequest(body)
	if err != nil {
		return nil, err
	}
	entry, err := l.Add(r.Context(), request)
	if err != nil {
		return nil, err
	}
	return entry.Marshal()
}
