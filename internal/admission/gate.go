package admission

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

const (
	// DefaultRequests is Limits.Requests unless set.
	DefaultRequests = 1024

	// DefaultUploads is Limits.Uploads unless set: room for the largest bundle of an
	// evidence store, and for thousands of signatures besides.
	DefaultUploads = 128 << 20

	// share is what part of each bound one address may have.
	share = 2

	// overdue is how long a request may take to be answered before one more that finds
	// no room takes its place.
	overdue = 10 * time.Second
)

// ErrBusy reports that the server holds as many requests as it may, or as many bytes:
// answer 503. The body of a request that was ended for the sake of others returns it.
var ErrBusy = errors.New("too many requests at once")

// errShare reports that the client alone has as many requests as one address may.
var errShare = errors.New("too many requests at once from one address")

// Limits are those of a Gate. Zero fields stand for the defaults.
type Limits struct {
	// Requests of each kind are admitted at once: those that read files, those whose body
	// is still coming, and those whose body has come. Of those that read short answers it
	// is a quarter.
	Requests int

	// Uploads is how many bytes bodies may take in memory, with what is made of them.
	Uploads int64
}

// shortShare is the part of Limits.Requests for those that read short answers.
const shortShare = 4

// kind is what a request is at. Each has a bound of its own, so that slow readers keep
// no signer out.
type kind int

const (
	reading   kind = iota // GET and HEAD of short answers, such as the page to sign in at
	fetching              // GET and HEAD of files, which can be slow
	uploading             // the body has not come to its end
	answering             // it has
	kinds
)

// Gate admits requests. It is safe for concurrent use.
type Gate struct {
	limits Limits

	mu      sync.Mutex // guards the rest, and the fields of tickets
	held    [kinds]map[*ticket]struct{}
	small   int64         // bytes of uploads, counted as they come
	large   int64         // bytes that large uploads have reserved
	queue   []*ticket     // large uploads that wait for their turn
	changed chan struct{} // closed when bytes are given back
}

// NewGate returns a gate that has admitted nothing.
func NewGate(l Limits) *Gate {
	if l.Requests == 0 {
		l.Requests = DefaultRequests
	}
	if l.Uploads == 0 {
		l.Uploads = DefaultUploads
	}
	g := &Gate{limits: l, changed: make(chan struct{})}
	for k := range g.held {
		g.held[k] = make(map[*ticket]struct{})
	}
	return g
}

// ticket is an admitted request.
type ticket struct {
	gate   *Gate
	client string
	conn   *http.ResponseController
	cancel context.CancelFunc
	done   <-chan struct{} // closed by cancel, or when the client has gone

	kind     kind
	progress time.Time // of an upload, when it last got a byte; else since when it is of this kind
	ended    bool      // by the gate, for the sake of others
	small    int64     // bytes that are charged
	large    int64     // bytes that are reserved
}

// Refuse answers a request that is not admitted. The error is ErrBusy, or another for a
// client that has had its share.
type Refuse func(http.ResponseWriter, *http.Request, error)

// Handler serves the requests that it admits with h, and answers the others with refuse.
func (g *Gate) Handler(h http.Handler, refuse Refuse) http.Handler {
	return g.admit(h, reading, refuse)
}

// FileHandler is Handler for what serves files: slow readers of these keep nobody from
// anything else.
func (g *Gate) FileHandler(h http.Handler, refuse Refuse) http.Handler {
	return g.admit(h, fetching, refuse)
}

func (g *Gate) admit(h http.Handler, read kind, refuse Refuse) http.Handler {
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
		case t.kind == read && r.ProtoMajor == 2: // what nobody reads would wait in memory
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

// enter admits t, if need be in the place of another. Errors: ErrBusy, errShare.
func (g *Gate) enter(t *ticket) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	t.progress = time.Now()
	return g.join(t, t.kind)
}

// join counts t among those of a kind.
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

// most is how many requests of a kind are admitted at once.
func (g *Gate) most(k kind) int {
	if k == reading {
		return max(1, g.limits.Requests/shortShare)
	}
	return g.limits.Requests
}

// of counts the requests of a client. Few are many, so it counts only when they may be
// too many.
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

// slowest returns the request of a kind that has been as it is for the longest time, if
// that is too long. Any upload may end so: those that don't stand still are others.
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

// end ends a request for the sake of another: its body returns ErrBusy, its context is
// canceled, and its answer goes no further. It reports whether there was one to end.
func (g *Gate) end(t *ticket) bool {
	if t == nil {
		return false
	}
	t.ended = true
	g.release(t)
	t.cancel()
	// The handler can't have returned: it would wait for the mutex. Errors are of
	// connections that know no deadlines, such as those of tests.
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

// release gives back all that t holds.
func (g *Gate) release(t *ticket) {
	delete(g.held[t.kind], t)
	g.small -= t.small
	g.large -= t.large
	if t.large > 0 {
		g.wake()
	}
	t.small, t.large = 0, 0
}

// wake has those look again who wait for bytes.
func (g *Gate) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}
