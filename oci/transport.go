package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/client/retry"
)

const (
	// attempts is how often a request is made that the registry is too busy for.
	attempts = 4
	// maxWait bounds what a Retry-After can ask for.
	maxWait = 10 * time.Second
	// maxRedirects is how often a registry may send a client elsewhere.
	maxRedirects = 5
	// maxBody bounds every answer, whoever reads it, but for blobs that are streamed.
	maxBody = bundle.MaxSize + 1
)

// newTransport is what everything goes through: the handshake of the library, its
// token services, and our own requests.
func newTransport(roots *x509.CertPool, plain bool) http.RoundTripper {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	base.DialContext = dialLoopback(base.DialContext)
	base.MaxIdleConnsPerHost = 32
	base.DisableCompression = true // digests are over what was sent
	return &retryTransport{&guarded{base, plain}}
}

// guarded refuses plain HTTP but to loopback, and answers without end.
type guarded struct {
	inner http.RoundTripper
	plain bool
}

var errPlain = errors.New("plain HTTP is allowed only to loopback: on a network, anyone could read credentials and alter responses; --registry-plain-http allows it")

// RoundTrip makes one request.
func (g *guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !g.plain && !isLoopback(req.URL.Hostname()) {
		return nil, errPlain
	}
	resp, err := g.inner.RoundTrip(req)
	if err == nil && req.Context().Value(streamed{}) == nil {
		resp.Body = bounded{io.LimitReader(resp.Body, maxBody), resp.Body}
	}
	return resp, err
}

// streamed marks the context of a request whose answer is held to its descriptor's
// size by whoever reads it.
type streamed struct{}

// bounded is a body that ends.
type bounded struct {
	io.Reader
	io.Closer
}

// isLoopback reports whether a host is this machine. Names below localhost are
// nothing else (RFC 6761, section 6.3), and are dialed nowhere else.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return isLocalhost(host) || err == nil && ip.Unmap().IsLoopback()
}

func isLocalhost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// hostOf is the host of a registry, without its port.
func hostOf(repo name.Repository) string {
	return (&url.URL{Host: repo.RegistryStr()}).Hostname()
}

// dialLoopback dials, and refuses a name below localhost that leads elsewhere.
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

// retryTransport asks again when a registry says that it is too busy.
type retryTransport struct {
	inner http.RoundTripper
}

// RoundTrip asks until there is an answer, or no more idleTimer: then the last
// answer is given.
func (p *retryTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.GetBody != nil { // where a token has expired, the library sends a body that was read already
		fresh, ok := retry.Rewind(req)
		if !ok {
			return nil, errors.New("the body can't be sent again")
		}
		req.Body.Close()
		req = fresh
	}
	wait := 100 * time.Millisecond
	for attempt := 1; ; attempt++ {
		resp, err := p.inner.RoundTrip(req)
		if err != nil || !retry.IsBusy(resp.StatusCode) || attempt == attempts {
			return resp, err
		}
		after, _ := retry.After(resp.Header)
		next, ok := retry.Rewind(req)
		if !ok || after > maxWait {
			return resp, nil
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
		resp.Body.Close()
		if err := retry.Sleep(req.Context(), max(wait, after)); err != nil {
			return nil, err
		}
		req, wait = next, 2*wait
	}
}

// checkRedirect follows a registry to where it keeps its blobs, but not from the
// outside to addresses inside. Authorization is set by the library's transport
// for the registry's own address alone.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	from, to := via[0].URL.Hostname(), req.URL.Hostname()
	if from != to && isInside(to) && !isInside(from) {
		return fmt.Errorf("%s redirects to %s, which is an address inside", from, to)
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
