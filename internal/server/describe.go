package server

import (
	"log/slog"
	"net"
	"net/netip"
)

// announce logs what is served, where, and within which limits.
func (s *Server) announce(l net.Listener) {
	c := s.config
	attributes := []any{
		"url", c.URL, "address", l.Addr().String(), "dir", c.Dir, "tls", c.TLS != nil, "plain_http_unsafe", c.PlainHTTPUnsafe,
		"login", s.login != nil, "evidence", s.evidence != nil, "frozen_logs", len(s.frozen),
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
