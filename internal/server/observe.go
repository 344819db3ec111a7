// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	vm "github.com/VictoriaMetrics/metrics"

	"github.com/hallmark-sign/hallmark/internal/admission"
)

// metrics holds what GET /metrics shows, in the text format of Prometheus.
type metrics struct {
	set     *vm.Set
	logger  *slog.Logger
	proxies admission.Proxies
}

// maxScrapes bounds the requests for metrics that are answered at once: each gathers them.
const maxScrapes = 4

// seconds are the upper bounds of the buckets for the time that an answer takes.
var seconds = []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 10}

// newMetrics counts the requests of any server.
func newMetrics(logger *slog.Logger, proxies admission.Proxies) *metrics {
	vm.ExposeMetadata(true)
	return &metrics{set: vm.NewSet(), logger: logger, proxies: proxies}
}

// handler answers GET /metrics.
func (m *metrics) handler() http.Handler {
	scrapes := admission.NewGate(admission.Limits{Requests: maxScrapes})
	return scrapes.FileHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		m.set.WritePrometheus(w)
		vm.WriteProcessMetrics(w)
	}), refuse)
}

// gauge adds a metric. Its name must be new.
func (m *metrics) gauge(g gauge) { m.set.NewGauge(g.Name, g.Value) }

// labeled returns the name of a metric with one label.
func labeled(name, label, value string) string {
	return name + "{" + label + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"}`
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// observe assigns an id to a request, counts it and logs it. The path is logged
// without its query, which may hold a login's code.
func (m *metrics) observe(service string, h http.Handler) http.Handler {
	duration := m.set.GetOrCreatePrometheusHistogramExt(labeled("hallmark_http_request_duration_seconds", "service", service), seconds)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := newRequestID()
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		ctx := admission.WithClient(context.WithValue(r.Context(), requestIDKey{}, id), m.proxies.Client(r))
		r = r.WithContext(ctx)
		answer := &recorder{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			took := time.Since(start)
			duration.Update(took.Seconds())
			m.set.GetOrCreateCounter(fmt.Sprintf("hallmark_http_requests_total{method=%q,service=%q,status=\"%d\"}", method(r.Method), service, answer.status)).Inc()
			m.logger.LogAttrs(r.Context(), slog.LevelDebug, "request",
				slog.String("service", service), slog.String("method", method(r.Method)), slog.String("path", cut(r.URL.Path)),
				slog.Int("status", answer.status), slog.Duration("took", took))
		}()
		h.ServeHTTP(answer, r)
	})
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status and passes it on.
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// ReadFrom passes on what net/http has a buffer ready for.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) { return io.Copy(r.ResponseWriter, src) }

// Unwrap returns the writer below, for [http.ResponseController].
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// method bounds the values of a label that strangers write.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return m
	}
	return "other"
}

func cut(path string) string {
	if len(path) > 200 {
		return path[:200]
	}
	return path
}

type requestIDKey struct{}

func newRequestID() string {
	var id [8]byte
	rand.Read(id[:]) // crypto/rand.Read never fails
	return hex.EncodeToString(id[:])
}

// withRequest adds the id of the request and the client's address to every line that is
// logged with the request's context.
type withRequest struct{ slog.Handler }

// Handle adds both and passes on.
func (h withRequest) Handle(ctx context.Context, r slog.Record) error {
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		r.AddAttrs(slog.String("address", admission.ClientOf(ctx).String()), slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps both on derived loggers.
func (h withRequest) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withRequest{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps both on derived loggers.
func (h withRequest) WithGroup(name string) slog.Handler {
	return withRequest{h.Handler.WithGroup(name)}
}
