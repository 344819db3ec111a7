// SPDX-License-Identifier: Apache-2.0

package ctlog

import (
	"errors"
	"io/fs"
	"net/http"
	"strconv"
)

// Handler returns the handler of the log under /ct/.
func (l *Log) Handler() http.Handler {
	mux := l.log.Handler("/ct")
	mux.HandleFunc("GET /ct/issuer/{fingerprint}", l.serveIssuer)
	return mux
}

func (l *Log) serveIssuer(w http.ResponseWriter, r *http.Request) {
	der, err := l.issuers.read(r.PathValue("fingerprint"))
	if errors.Is(err, fs.ErrNotExist) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		l.logger.ErrorContext(r.Context(), "issuer can't be read", "path", r.URL.Path, "cause", err)
		w.Header().Set("Retry-After", "10")
		http.Error(w, "this file can't be read now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-cert")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Length", strconv.Itoa(len(der)))
	w.Write(der) // fails only if the client has gone
}
