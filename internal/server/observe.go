// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hallmark-sign/hallmark/internal/admission"
)

// metrics are what GET /metrics tells.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec   // by service, method and status
	duration *prometheus.HistogramVec // seconds, by service
	logger   *slog.Logger
	proxies  admission.Proxies
}

// maxScrapes is how many requests for metrics are answered at once: each gathers them.
const maxScrapes = 4

// newMetrics counts the requests of any server.
func newMetrics(logger *slog.Logger, proxies admission.Proxies) *metrics {
	m := &metrics{
		logger: logger, proxies: proxies,
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hallmark_http_requests_total", Help: "Requests answered.",
		}, []string{"service", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hallmark_http_request_duration_seconds", Help: "Time from request to answer.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"service"}),
	}
	m.registry.MustRegister(m.requests, m.duration, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// handler answers GET /metrics.
func (m *metrics) handler() http.Handler {
	scrapes := admission.NewGate(admission.Limits{Requests: maxScrapes})
	return scrapes.FileHandler(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}), refuse)
}

func (m *metrics) gauge(g Gauge) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.Name, Help: g.Help, ConstLabels: g.Labels}, g.Value))
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
	duration := m.duration.WithLabelValues(service)
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
			duration.Observe(took.Seconds())
			m.requests.WithLabelValues(service, method(r.Method), strconv.Itoa(answer.status)).Inc()
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
