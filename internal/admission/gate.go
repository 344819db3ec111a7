// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

const (
	// defaultRequests is the default of Limits.Requests.
	defaultRequests = 1024

	// defaultUploads is the default of Limits.Uploads: room for the largest bundle
	// of an evidence store, and for thousands of signatures.
	defaultUploads = 128 << 20

	// share is the divisor of each bound that applies to one address.
	share = 2

	// overdue is the age at which a request may be ended to make room for another.
	overdue = 10 * time.Second
)

// ErrBusy reports that the server has too many requests or bytes. A server
// responds with 503. The body of a request that was ended in favor of others
// returns it too.
var ErrBusy = errors.New("too many requests at once")

// errShare reports that one address has too many requests.
var errShare = errors.New("too many requests at once from one address")

// Limits holds the settings of a [Gate]. Zero fields mean the defaults.
type Limits struct {
	// Requests bounds the concurrent requests of each kind: those that read files,
	// those whose body is being received, and those whose body is complete. A
	// quarter of it applies to requests for short responses.
	Requests int

	// Uploads bounds the memory of bodies and what is derived from them, in bytes.
	Uploads int64
}

// shortShare is the divisor of Limits.Requests for short responses.
const shortShare = 4

// kind is the state of a request. Each has its own bound, so that slow readers
// don't keep signers out.
type kind int

const (
	reading   kind = iota // GET and HEAD of short responses, such as the login page
	fetching              // GET and HEAD of files, which may be slow
	uploading             // the body is being received
	answering             // the body is complete
	kinds
)

// A Gate admits requests. It is safe for concurrent use.
type Gate struct {
	limits Limits

	mu      sync.Mutex // guards the rest, and the fields of tickets
	held    [kinds]map[*ticket]struct{}
	small   int64         // bytes of small uploads, as received
	large   int64         // bytes that large uploads have reserved
	queue   []*ticket     // large uploads waiting for their turn
	changed chan struct{} // closed when bytes are released
}

// NewGate returns a gate without any requests.
func NewGate(l Limits) *Gate {
	if l.Requests == 0 {
		l.Requests = defaultRequests
	}
	if l.Uploads == 0 {
		l.Uploads = defaultUploads
	}
	g := &Gate{limits: l, changed: make(chan struct{})}
	for k := range g.held {
		g.held[k] = make(map[*ticket]struct{})
	}
	return g
}

// A ticket is an admitted request.
type ticket struct {
	gate   *Gate
	client string
	conn   *http.ResponseController
	cancel context.CancelFunc
	done   <-chan struct{} // closed by cancel, or when the client disconnects

	kind     kind
	progress time.Time // time of an upload's last byte; otherwise time of the last change of kind
	ended    bool      // by the gate, in favor of others
	small    int64     // charged bytes
	large    int64     // reserved bytes
}

// refuse responds to a request that is not admitted. The error is [ErrBusy], or
// another one for a client that has used its share.
type refuse func(http.ResponseWriter, *http.Request, error)

// Handler returns a handler that serves admitted requests with h and others
// with refuse.
func (g *Gate) Handler(h http.Handler, refuse refuse) http.Handler {
	return g.admit(h, reading, refuse)
}

// FileHandler returns a handler like that of [Gate.Handler] for files: slow
// readers of files do not block other requests.
func (g *Gate) FileHandler(h http.Handler, refuse refuse) http.Handler {
	return g.admit(h, fetching, refuse)
}

func (g *Gate) admit(h http.Handler, read kind, refuse refuse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		t := &ticket{gate: g, client: ClientOf(ctx).Key(), conn: http.NewResponseController(w), cancel: cancel, done: ctx.Done(), kind: kindOf(r, read)}
		if err := g.enter(t); err != nil {
			refuse(w, r, err)
			return
		}
		defer g.leave(t)
		r = r.WithContext(ctx)
		switch {
		case t.kind == uploading:
			r.Body = &body{in: r.Body, ticket: t, length: r.ContentLength}
		case t.kind == read && r.ProtoMajor == 2: // an unread response would stay in memory
			r.Body.Close()
		}
		h.ServeHTTP(w, r)
	})
}

func kindOf(r *http.Request, read kind) kind {
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		return read
	case r.ContentLength == 0:
		return answering
	}
	return uploading
}

// enter admits t, if necessary in place of another request. Errors match
// ErrBusy or errShare.
func (g *Gate) enter(t *ticket) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	t.progress = time.Now()
	return g.join(t, t.kind)
}

// join changes the kind of t.
func (g *Gate) join(t *ticket, k kind) error {
	most := g.most(k)
	if t.client != "" && g.of(t.client, k) >= max(1, most/share) {
		return errShare
	}
	if len(g.held[k]) >= most && !g.end(g.slowest(k)) {
		return ErrBusy
	}
	delete(g.held[t.kind], t)
	g.held[k][t] = struct{}{}
	t.kind, t.progress = k, time.Now()
	return nil
}

// most returns the bound of a kind.
func (g *Gate) most(k kind) int {
	if k == reading {
		return max(1, g.limits.Requests/shortShare)
	}
	return g.limits.Requests
}

// of returns the number of requests of a client. It counts only when there are
// many requests.
func (g *Gate) of(client string, k kind) (n int) {
	if len(g.held[k]) < g.most(k)/share {
		return 0
	}
	for t := range g.held[k] {
		if t.client == client {
			n++
		}
	}
	return n
}

// slowest returns the request of a kind that has been unchanged for the longest
// time, if that is too long. Any stalled upload may be ended.
func (g *Gate) slowest(k kind) *ticket {
	var found *ticket
	for t := range g.held[k] {
		if found == nil || t.progress.Before(found.progress) {
			found = t
		}
	}
	if k != uploading && found != nil && time.Since(found.progress) < overdue {
		return nil
	}
	return found
}

// end ends a request in favor of another: its body returns ErrBusy, its context
// is canceled, and its response is cut off. It reports whether there was a
// request to end.
func (g *Gate) end(t *ticket) bool {
	if t == nil {
		return false
	}
	t.ended = true
	g.release(t)
	t.cancel()
	// The handler can't have returned, since it would wait for the mutex. Errors
	// are those of connections without deadlines, as in tests.
	t.conn.SetReadDeadline(time.Now())
	if t.kind != uploading {
		t.conn.SetWriteDeadline(time.Now())
	}
	return true
}

func (g *Gate) leave(t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(t)
}

// release releases all that t holds.
func (g *Gate) release(t *ticket) {
	delete(g.held[t.kind], t)
	g.small -= t.small
	g.large -= t.large
	if t.large > 0 {
		g.wake()
	}
	t.small, t.large = 0, 0
}

// wake wakes the requests that wait for bytes.
func (g *Gate) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}
