// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// prefixIPv6 is the length of the prefix that a network's customer has at
// least.
const prefixIPv6 = 64

// A Client is the origin of a request. The zero Client is limited like an
// address.
type Client struct {
	addr   netip.Addr
	exempt bool
}

// String returns the address, for logs.
func (c Client) String() string { return c.addr.String() }

// Key returns the key for limits by address: the IPv4 address or the IPv6 /64.
// It is empty for a client without such limits.
func (c Client) Key() string {
	if c.exempt {
		return ""
	}
	if c.addr.Is6() {
		if prefix, err := c.addr.Prefix(prefixIPv6); err == nil {
			return prefix.String()
		}
	}
	return c.addr.String()
}

// Proxies lists the networks of proxies whose X-Forwarded-For is trusted.
type Proxies []netip.Prefix

// Client returns the origin of r: the peer, or the address reported by the last
// of the trusted proxies. Without trusted proxies a loopback peer may be an
// unlisted proxy for all clients, so no limits by address apply to it.
func (p Proxies) Client(r *http.Request) Client {
	peer, ok := parseAddr(r.RemoteAddr)
	if !ok {
		return Client{}
	}
	if len(p) == 0 {
		return Client{addr: peer, exempt: peer.IsLoopback()}
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !p.contain(peer) {
			break
		}
		next, ok := parseAddr(strings.TrimSpace(hop))
		if !ok {
			break // entries further left are not from a trusted proxy
		}
		peer = next
	}
	return Client{addr: peer}
}

func (p Proxies) contain(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(a) })
}

// parseAddr parses an address with or without port.
func parseAddr(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		withPort, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

type clientKey struct{}

// WithClient returns a context for a request of c.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientOf returns the client of ctx, or the zero Client.
func ClientOf(ctx context.Context) Client {
	c, _ := ctx.Value(clientKey{}).(Client)
	return c
}
