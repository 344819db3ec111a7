package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/rpcstatus"
)

// routes gives each service the paths that Sigstore clients expect it at.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mount := func(service string, h http.Handler, patterns ...string) {
		for _, pattern := range patterns {
			mux.Handle(pattern, s.metrics.observe(service, h))
		}
	}
	short := func(h http.Handler) http.Handler { return s.gate.Handler(h, refuse) }
	files := func(h http.Handler) http.Handler { return s.gate.FileHandler(h, refuse) }
	mount("ca", short(s.ca.Handler()), "/api/v2/signingCert", "/api/v2/trustBundle", "/api/v2/configuration", "/api/v1/signingCert", "/api/v1/rootCert")
	mount("rekor", files(s.logs()), "/api/v2/log/", "/api/v2/checkpoint", "/api/v2/tile/")
	mount("ct", files(s.ct.Handler()), "/ct/")
	mount("tsa", short(s.tsa.Handler()), "/api/v1/timestamp", "/api/v1/timestamp/certchain")
	mount("trust", short(http.HandlerFunc(s.serveTrust)), "GET /trust/{file}")
	mount("home", short(s.serveHome()), "GET /{$}")
	mount("metrics", s.metrics.handler(), "GET /metrics")
	mount("health", http.HandlerFunc(s.serveHealth), "GET /healthz") // answered however many wait
	if s.login != nil {
		mount("login", short(s.login.Handler()), "/.well-known/", "/login/")
	}
	if s.evidence != nil {
		mount("evidence", files(s.evidence.Handler()), "/api/v1/bundles/")
	}
	mount("none", short(http.HandlerFunc(s.serveRekorV1)), "/api/v1/log", "/api/v1/log/", "/api/v1/index/")
	mount("none", short(http.NotFoundHandler()), "/")
	return mux
}

// refuse answers a request that the gate does not admit:
//
//	{"code":14,"message":"too many requests at once","details":[]}
func refuse(w http.ResponseWriter, _ *http.Request, err error) {
	status, code := http.StatusTooManyRequests, rpcstatus.ResourceExhausted
	if errors.Is(err, admission.ErrBusy) {
		status, code = http.StatusServiceUnavailable, rpcstatus.Unavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(status)
	w.Write(rpcstatus.Status{Code: code, Message: err.Error()}.Marshal()) // an error is the client's, who has gone
}

// serveRekorV1 answers clients of Rekor v1, which print the message of this JSON and can
// read nothing else:
//
//	{"code":404,"message":"this instance's log is Rekor v2: …"}
func (s *Server) serveRekorV1(w http.ResponseWriter, _ *http.Request) {
	raw, err := json.Marshal(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{http.StatusNotFound, "this instance's log is Rekor v2: use a client with a signing config (" + s.config.URL + "/trust/" + trust.SigningConfigFile + "), such as cosign 3"})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	w.Write(raw) // an error is the client's, who has gone
}

// logs gives each transparency log its host name; other names lead to the one that
// takes entries.
func (s *Server) logs() http.Handler {
	current := s.rekor.Handler()
	if len(s.frozen) == 0 {
		return current
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := s.frozen[config.Hostname("http://"+r.Host)]; ok {
			h.ServeHTTP(w, r)
			return
		}
		current.ServeHTTP(w, r)
	})
}

// serveTrust serves the trust files as they lie on disk.
func (s *Server) serveTrust(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if !published(name) {
		http.NotFound(w, r)
		return
	}
	raw, err := os.ReadFile(s.config.Path("trust", name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, r)
	case err != nil:
		s.trustUnreadable(w, r, err)
	default:
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(raw))
	}
}

// published reports whether a file of the trust directory is served.
func published(name string) bool {
	return name == trust.LogKeyFile || slices.ContainsFunc(trust.Files(), func(f trust.File) bool { return f.Name == name })
}

// trustUnreadable answers while a trust file can't be read.
func (s *Server) trustUnreadable(w http.ResponseWriter, r *http.Request, err error) {
	s.logger.ErrorContext(r.Context(), "trust file can't be read", "cause", err)
	w.Header().Set("Retry-After", "10")
	http.Error(w, "this file can't be read now", http.StatusServiceUnavailable)
}

// serveHealth says whether every service of the instance works: 503 while the disk of one
// fails, or witnesses do not cosign.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	status := healthy
	switch err := cmp.Or(s.rekor.Err(), s.ct.Err()); {
	case errors.Is(err, tilelog.ErrUnwitnessed):
		status = "too few witnesses cosign the log; see the server's log"
	case err != nil:
		status = "a log has stopped after an error; see the server's log"
	case s.login != nil && s.login.Err() != nil:
		status = "the accounts can't be read; see the server's log"
	case s.evidence != nil && s.evidence.Failed():
		status = "the evidence store has stopped after an error; see the server's log"
	}
	writeHealth(w, status)
}

// healthy is the status of a service that works.
const healthy = "ok"

// writeHealth answers a question for the health of a service: 503 unless it is healthy.
//
//	{"status":"ok"}
func writeHealth(w http.ResponseWriter, status string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if status != healthy {
		w.Header().Set("Retry-After", "10")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	io.WriteString(w, `{"status":"`+status+"\"}\n")
}
