// SPDX-License-Identifier: Apache-2.0

package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
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

	// Of HTTP/2, where one connection has many requests: how many, and how many bytes of
	// their bodies wait in memory before a handler reads them. The gate does not see these.
	// So many are sent in each round trip: 32 MiB take 13 s where that is 100 ms.
	maxStreams  = 64
	http2Buffer = 256 << 10

	// shutdownTimeout is how long accepted requests have to be answered.
	shutdownTimeout = 20 * time.Second
)

// A Service is what answers on a listener.
type Service struct {
	Handler          http.Handler
	Connections      int              // that may be open
	Certificate, Key string           // PEM files to speak TLS with; empty: plain HTTP
	Reload           <-chan os.Signal // has these files read again at once; may be nil
	Logger           *slog.Logger
	Announce         func()                      // called once connections are accepted; may be nil
	Close            func(context.Context) error // gives back what the handler uses
}

// Answer answers on l until ctx ends, then answers what has been accepted, for at
// most shutdownTimeout, and closes the service. It closes l. Errors: ErrCertificate.
func (s Service) Answer(ctx context.Context, l net.Listener) error {
	config, end, err := s.tls(ctx)
	if err != nil {
		return errors.Join(err, l.Close(), s.Close(context.WithoutCancel(ctx)))
	}
	defer end()
	open := newConnections(s.Connections)
	h := &http.Server{
		Handler: open.handler(s.Handler), ConnState: open.state, ConnContext: open.context,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: http2Buffer, MaxReceiveBufferPerStream: http2Buffer},
		TLSConfig:      config,
		ErrorLog:       slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn),
	}
	if s.Announce != nil {
		l = &announced{Listener: l, say: sync.OnceFunc(s.Announce)}
	}
	served := make(chan error, 1)
	go func() {
		if config != nil {
			served <- h.ServeTLS(l, "", "")
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
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = h.Shutdown(closing)
	if err != nil {
		err = fmt.Errorf("shutting down: %w", errors.Join(err, h.Close()))
	}
	return errors.Join(err, s.Close(closing))
}

// tls reads the certificate, and watches its files until end is called. The configuration
// is nil without a certificate.
func (s Service) tls(ctx context.Context) (config *tls.Config, end func(), err error) {
	if s.Certificate == "" {
		return nil, func() {}, nil
	}
	c, err := openCertificate(s.Certificate, s.Key, s.Logger)
	if err != nil {
		return nil, nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { c.watch(ctx, s.Reload) })
	return &tls.Config{GetCertificate: c.get}, func() { stop(); watching.Wait() }, nil
}

// announced is a listener that says so before it waits for its first connection.
type announced struct {
	net.Listener
	say func()
}

// Accept waits for a connection.
func (a *announced) Accept() (net.Conn, error) {
	a.say()
	return a.Listener.Accept()
}
