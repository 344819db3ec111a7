// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/client/retry"
)

const (
	// maxRedirects bounds the redirects of one request.
	maxRedirects = 5
	// maxBody bounds every response other than streamed blobs, in bytes.
	maxBody = bundle.MaxSize + 1
)

// newTransport returns the transport for all requests: the library's handshake,
// its token services, and our own requests.
func newTransport(base *http.Transport, plain bool) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport.(*http.Transport)
	}
	base = base.Clone()
	if base.DialContext == nil {
		base.DialContext = new(net.Dialer).DialContext
	}
	base.DialContext = dialLoopback(base.DialContext)
	base.MaxIdleConnsPerHost = 32
	base.DisableCompression = true // digests cover the bytes as sent
	return &retry.Transport{Base: &guarded{base, plain}}
}

// guarded refuses plain HTTP except to loopback, sends a streamed body once, and
// bounds responses.
type guarded struct {
	inner http.RoundTripper
	plain bool
}

var errPlain = errors.New("plain HTTP is allowed only to loopback: on a network, anyone could read credentials and alter responses")

var errSent = errors.New("a streamed body can't be sent again")

// RoundTrip implements [http.RoundTripper].
func (g *guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if body, ok := req.Body.(*upload); ok && body.sent.Swap(true) {
		return nil, errSent
	}
	if req.URL.Scheme != "https" && !g.plain && !isLoopback(req.URL.Hostname()) {
		return nil, errPlain
	}
	resp, err := g.inner.RoundTrip(req)
	if err == nil && req.Context().Value(streamed{}) == nil {
		resp.Body = bounded{io.LimitReader(resp.Body, maxBody), resp.Body}
	}
	return resp, err
}

// streamed marks the context of a request whose caller bounds the response
// itself.
type streamed struct{}

// bounded is a body with a limit.
type bounded struct {
	io.Reader
	io.Closer
}

// isLoopback reports whether a host is this machine. Names below localhost
// always are (RFC 6761, section 6.3), and dialLoopback enforces it.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return isLocalhost(host) || err == nil && ip.Unmap().IsLoopback()
}

func isLocalhost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// hostOf returns the host of a registry, without its port.
func hostOf(repo name.Repository) string {
	return (&url.URL{Host: repo.RegistryStr()}).Hostname()
}

// dialLoopback dials, and refuses a name below localhost that resolves to
// another machine.
func dialLoopback(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		host, _, _ := net.SplitHostPort(address)
		if err != nil || !isLocalhost(host) {
			return conn, err
		}
		if remote, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !remote.IP.IsLoopback() {
			conn.Close()
			return nil, fmt.Errorf("%s leads to %s, which is not this machine", host, conn.RemoteAddr())
		}
		return conn, nil
	}
}

// checkRedirect follows redirects to a registry's blob storage, but not from
// public to internal addresses. The library's transport sets Authorization for
// the registry's own address only.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	from, to := via[0].URL.Hostname(), req.URL.Hostname()
	if from != to && isInside(to) && !isInside(from) {
		return fmt.Errorf("%s redirects to the internal address %s", from, to)
	}
	return nil
}

func isInside(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host == "localhost"
	}
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || net.IP(ip.AsSlice()).IsUnspecified()
}
