// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/listener"
)

// Options say what to serve. Instance and Logger are required.
type Options struct {
	Instance *instance.Instance
	Logger   *slog.Logger

	// Reload has the server read its TLS certificate again at once, as it does anyway
	// when the files change; may be nil.
	Reload <-chan os.Signal
}

// Server is an instance with its logs open.
type Server struct {
	config  *config.Config
	logger  *slog.Logger
	frozen  int // logs that take no entries
	mounts  []mount
	reload  <-chan os.Signal
	handler http.Handler
}

// New opens the services of an instance. The caller must Close the Server. Errors:
// durable.ErrLocked when another process serves the same directory; keys and chains that
// do not belong together.
func New(o Options) (*Server, error) {
	c := o.Instance.Config
	s := &Server{config: c, reload: o.Reload, logger: slog.New(withRequest{o.Logger.Handler()})}
	proxies, err := c.Proxies()
	if err != nil {
		return nil, err
	}
	p := &parts{Instance: o.Instance, logger: s.logger}
	if s.frozen = p.last(); s.frozen < 0 {
		return nil, errors.New("the trusted root has no log")
	}
	for _, build := range builders {
		m, err := build(p)
		s.mounts = append(s.mounts, m)
		if err != nil {
			return nil, errors.Join(err, s.Close(context.Background()))
		}
	}
	limits := c.Limits.Effective()
	gate := admission.NewGate(admission.Limits{Requests: limits.Requests, Uploads: int64(limits.UploadMiB) << 20})
	s.mounts = append(s.mounts, mountHome(p, s.mounts), mount{Name: "none", Patterns: []string{"/"}, Handler: http.NotFoundHandler()})
	s.handler = mux(newMetrics(s.logger, proxies), gate, s.mounts)
	return s, nil
}

// Serve answers on l until ctx ends, and closes the logs; see [listener.Service.Answer].
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	service := listener.Service{
		Handler: s.handler, Connections: s.config.Limits.Effective().Connections, Logger: s.logger, Close: s.Close,
		Reload: s.reload, Announce: func() { s.announce(l) },
	}
	if tls := s.config.TLS; tls != nil {
		service.Certificate, service.Key = s.config.Path(tls.Certificate), s.config.Path(tls.Key)
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for _, m := range s.mounts {
		if m.Run != nil {
			watching.Go(func() { m.Run(ctx) })
		}
	}
	return service.Answer(ctx, l)
}

// Close closes the services: what they have accepted is on the disk and published.
func (s *Server) Close(ctx context.Context) error { return closeAll(ctx, s.mounts) }

// announce logs what is served, where, and within which limits.
func (s *Server) announce(l net.Listener) {
	c := s.config
	attributes := []any{
		"url", c.URL, "address", l.Addr().String(), "dir", c.Dir, "tls", c.TLS != nil, "plain_http_unsafe", c.PlainHTTPUnsafe,
		"login", !c.Login.Disabled, "evidence", c.Evidence.Enabled, "frozen_logs", s.frozen,
		"trusted_proxies", c.TrustedProxies, "limits", c.Limits.Effective(),
	}
	issuers := []string{}
	for _, i := range c.Issuers {
		issuers = append(issuers, i.URL)
	}
	attributes = append(attributes, "issuers", issuers)
	if w := c.Witnesses; w != nil {
		attributes = append(attributes, slog.Group("witnesses", "peers", len(w.Peers), "quorum", w.Quorum, "required", w.Required, "demanded", w.Demanded))
	}
	s.logger.Info("serving", attributes...)
	peer, err := netip.ParseAddrPort(l.Addr().String())
	switch {
	case len(c.TrustedProxies) > 0:
	case err == nil && peer.Addr().IsLoopback():
		s.logger.Warn("no limits by address: peers on loopback have none. If a proxy is in front, name it in trusted_proxies")
	case c.PlainHTTPUnsafe:
		s.logger.Warn("all clients of a proxy share the limits of one address. Name the proxy in trusted_proxies")
	}
}
