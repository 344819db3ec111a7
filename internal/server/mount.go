// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/ca"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/oidc"
	"github.com/hallmark-sign/hallmark/wire/rpcstatus"
)

// mount is a service of a server.
type mount struct {
	// Name labels the requests of the service in metrics and in the log.
	Name string

	// Patterns are those of a http.ServeMux that lead to Handler.
	Patterns []string
	Handler  http.Handler

	// Gate is how requests are admitted. The zero value is for short answers.
	Gate gate

	// Health returns what is wrong with the service, for people, and "" while it works.
	// It may be nil.
	Health func() string

	// Metrics are gauges of the service, besides the counts of its requests.
	Metrics []gauge

	// Links are shown on the page of the instance.
	Links []link

	// Run does the service's work in the background until ctx ends, once the server
	// answers. It may be nil.
	Run func(ctx context.Context)

	// Close ends the service: what it has accepted is on the disk. It may be nil.
	Close func(context.Context) error
}

// gate is a way to admit requests.
type gate int

// The ways to admit requests.
const (
	shortAnswers gate = iota // answers are short, and slow readers keep no others out
	largeFiles               // answers may be files, which take long to read
	ungated                  // each request is answered, however many wait
)

// A gauge is a metric that can go up and down. docs/operating/day-two.md explains each.
type gauge struct {
	Name  string // with its labels
	Value func() float64
}

// link is a line on the page of an instance.
type link struct{ Path, Text string }

// builders make the services of an instance, in this order. A service is a function in a
// file of its own, and a line here. A builder returns the zero mount for a service that the
// configuration disables, and one with Close for what it has opened, even with an error.
var builders = []func(*parts) (mount, error){
	mountTrust,
	mountRekor,
	mountCT,
	mountTSA,
	mountLogin,
	mountCA,
	mountEvidence,
	mountRekorV1,
	mountControl,
}

// parts is what builders make services of, and what one service passes to a later one.
type parts struct {
	*instance.Instance
	logger *slog.Logger

	ctLog ca.CTLog      // for the certificate authority
	login []oidc.Issuer // the built-in login, for the certificate authority; none: disabled

	reloads []func(*config.Config) error // what takes settings while it runs; an error changes nothing
}

// last returns the number of the transparency log that accepts entries.
func (p *parts) last() int { return len(p.Root.Logs) - 1 }

func (p *parts) limits() config.Limits { return p.Config.Limits.Effective() }

func rate(r config.Rate) admission.Rate { return admission.Rate{Burst: r.Burst, Pause: r.Pause()} }

func limiter(what string, r config.Rate) *admission.Limiter {
	return admission.NewLimiter(what, rate(r), time.Now)
}

// mux routes each service's paths through its metrics and the gate. It adds the
// health and the metrics of all services, for operators.
func mux(m *metrics, gate *admission.Gate, services []mount) http.Handler {
	mux := http.NewServeMux()
	for _, mount := range append(services[:len(services):len(services)],
		mount{Name: "metrics", Patterns: []string{"GET /metrics"}, Handler: m.handler(), Gate: ungated}, // has a gate of its own
		mount{Name: "health", Patterns: []string{"GET /healthz"}, Handler: serveHealth(services), Gate: ungated},
	) {
		h := mount.Handler
		switch mount.Gate {
		case shortAnswers:
			h = gate.Handler(h, refuse)
		case largeFiles:
			h = gate.FileHandler(h, refuse)
		case ungated:
		}
		for _, pattern := range mount.Patterns {
			mux.Handle(pattern, m.observe(mount.Name, h))
		}
		for _, g := range mount.Metrics {
			m.gauge(g)
		}
	}
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

// serveHealth answers 503 unless every service works, with what is wrong with the first
// that does not:
//
//	{"status":"ok"}
func serveHealth(mounts []mount) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		wrong := ""
		for _, m := range mounts {
			if m.Health != nil && wrong == "" {
				wrong = m.Health()
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if wrong != "" {
			w.Header().Set("Retry-After", "10")
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"status":"`+wrong+"\"}\n")
			return
		}
		io.WriteString(w, `{"status":"ok"}`+"\n")
	})
}

// closeAll closes services in the order in which they were opened.
func closeAll(ctx context.Context, mounts []mount) error {
	var errs []error
	for _, m := range mounts {
		if m.Close != nil {
			errs = append(errs, m.Close(ctx))
		}
	}
	return errors.Join(errs...)
}
