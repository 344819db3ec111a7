package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/config"
)

// Deadlines of the listener. A signer waits milliseconds; these are for clients
// that are slow on purpose.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10

	// Of HTTP/2, where one connection has many requests: how many, and how many bytes of
	// their bodies wait in memory before somebody reads them. The gate does not see these.
	// So many are sent in each round trip: 32 MiB take 13 s where that is 100 ms.
	maxStreams  = 64
	http2Buffer = 256 << 10

	// ShutdownTimeout is how long accepted requests have to be answered.
	ShutdownTimeout = 20 * time.Second
)

// Service is what a listener is for.
type Service struct {
	Handler          http.Handler
	Limits           config.Limits
	Certificate, Key string // PEM files to speak TLS with; empty: plain HTTP
	Logger           *slog.Logger
	Close            func(context.Context) error // gives back what the handler uses
}

// Gated returns a handler that answers with h as many requests at once as an instance
// does without limits in its configuration.
func Gated(h http.Handler) http.Handler {
	gated := admission.NewGate(admission.Limits{}).Handler(h, refuse)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := admission.Proxies(nil).Client(r)
		gated.ServeHTTP(w, r.WithContext(admission.WithClient(r.Context(), client)))
	})
}

// Answer answers on l until ctx ends, then answers what has been accepted, for at
// most ShutdownTimeout, and closes the service. It closes l.
func (s Service) Answer(ctx context.Context, l net.Listener) error {
	open := newConnections(s.Limits.Effective().Connections)
	h := &http.Server{
		Handler: open.handler(s.Handler), ConnState: open.state, ConnContext: open.context,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: http2Buffer, MaxReceiveBufferPerStream: http2Buffer},
		ErrorLog:       slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() {
		if s.Certificate != "" {
			served <- h.ServeTLS(l, s.Certificate, s.Key)
		} else {
			served <- h.Serve(l)
		}
	}()
	select {
	case err := <-served:
		return errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	case <-ctx.Done():
	}
	s.Logger.Info("shutting down")
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), ShutdownTimeout)
	defer cancel()
	err := h.Shutdown(end)
	if err != nil {
		err = fmt.Errorf("shutting down: %w", errors.Join(err, h.Close()))
	}
	return errors.Join(err, s.Close(end))
}
