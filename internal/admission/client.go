package admission

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// prefixIPv6 is what one customer of a network has at least.
const prefixIPv6 = 64

// Client is where a request comes from. The zero Client is limited like an address.
type Client struct {
	addr   netip.Addr
	exempt bool
}

// String returns the address, for logs.
func (c Client) String() string { return c.addr.String() }

// Key returns what limits by address count by: the IPv4 address or the IPv6 /64. It is
// empty for a client that they don't apply to.
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

// Proxies are the networks of the proxies whose X-Forwarded-For is believed.
type Proxies []netip.Prefix

// Client returns where r comes from. That is the peer, or what the last of the trusted
// proxies says. Without trusted proxies a loopback peer may be one that nobody has named,
// which stands for all clients: no limits by address apply to it.
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
			break // whatever is further left, no proxy that is trusted has written
		}
		peer = next
	}
	return Client{addr: peer}
}

func (p Proxies) contain(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(a) })
}

// parseAddr reads an address with or without a port.
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

// WithClient returns a context of a request of c.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientOf returns the client whose request ctx is of, or the zero Client.
func ClientOf(ctx context.Context) Client {
	c, _ := ctx.Value(clientKey{}).(Client)
	return c
}
