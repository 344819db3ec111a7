// SPDX-License-Identifier: Apache-2.0

package listener

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// connections bounds how many connections are open. One more ends another on which no
// request is being answered: of the peer that has most, the one that has been quiet for
// the longest time.
type connections struct {
	max int

	mu    sync.Mutex // guards the rest
	open  map[net.Conn]*connection
	peers map[netip.Addr]*peer
}

// peer is the other end of connections.
type peer struct {
	addr netip.Addr
	open int
}

// connection is an open connection.
type connection struct {
	peer  *peer
	busy  int       // requests that are being answered
	quiet time.Time // since when there are none
}

func newConnections(most int) *connections {
	return &connections{max: most, open: make(map[net.Conn]*connection), peers: make(map[netip.Addr]*peer)}
}

// state implements ConnState of an [http.Server]. The server calls it with
// http.StateNew before it reads anything.
func (c *connections) state(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.add(conn)
	case http.StateClosed, http.StateHijacked:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.drop(conn)
	}
}

func (c *connections) add(conn net.Conn) {
	remote, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= c.max {
		if victim := c.quietest(); victim != nil {
			c.drop(victim)
			hangUp(victim)
		}
	}
	p := c.peers[remote.Addr()]
	if p == nil {
		p = &peer{addr: remote.Addr()}
		c.peers[p.addr] = p
	}
	p.open++
	c.open[conn] = &connection{peer: p, quiet: time.Now()}
}

// quietest returns the connection to end, or nil: each of them is being used. There
// are more connections than requests that the gate admits.
func (c *connections) quietest() net.Conn {
	var found net.Conn
	var least *connection
	for conn, x := range c.open {
		if x.busy == 0 && (least == nil || x.peer.open > least.peer.open ||
			x.peer.open == least.peer.open && x.quiet.Before(least.quiet)) {
			found, least = conn, x
		}
	}
	return found
}

func (c *connections) drop(conn net.Conn) {
	x, ok := c.open[conn]
	if !ok {
		return
	}
	delete(c.open, conn)
	if x.peer.open--; x.peer.open == 0 {
		delete(c.peers, x.peer.addr)
	}
}

// hangUp closes a connection without the farewell of TLS, which could block.
func hangUp(conn net.Conn) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	conn.Close() // the server sees the error
}

type connectionKey struct{}

// context implements ConnContext of an [http.Server].
func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// handler keeps connections from being ended while h answers on them.
func (c *connections) handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(connectionKey{}).(net.Conn)
		c.use(conn, 1)
		defer c.use(conn, -1)
		h.ServeHTTP(w, r)
	})
}

func (c *connections) use(conn net.Conn, change int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.open[conn]; x != nil {
		x.busy += change
		x.quiet = time.Now()
	}
}
