package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Deadlines of the listener. A signer waits milliseconds; these are for clients
// that are slow on purpose.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10

	// ShutdownTimeout is how long accepted requests have to be answered.
	ShutdownTimeout = 20 * time.Second
)

// Service is what a listener is for.
type Service struct {
	Handler          http.Handler
	Certificate, Key string // PEM files to speak TLS with; empty: plain HTTP
	Logger           *slog.Logger
	Close            func(context.Context) error // gives back what the handler uses
}

// Answer answers on l until ctx ends, then answers what has been accepted, for at
// most ShutdownTimeout, and closes the service. It closes l.
func (s Service) Answer(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler:           s.Handler,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
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
