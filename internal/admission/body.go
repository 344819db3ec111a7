// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"io"
	"slices"
	"time"
)

const (
	// smallBody is larger than a request to log a signature over a digest. Larger
	// bodies, with an attestation's predicate, take turns.
	smallBody = 128 << 10

	// largeBody bounds the largest bodies, in bytes.
	largeBody = 32 << 20

	// smallCost and largeCost are the bytes of memory per byte of a body,
	// including what is derived from it.
	smallCost, largeCost = 2, 3

	// smallShare is the part of Limits.Uploads reserved for small bodies.
	smallShare = 4

	// largeWait bounds how long a large body waits for its turn.
	largeWait = 5 * time.Second

	// A large body must deliver at least largePiece in each largePause, and end
	// within largeTime. A stalled upload loses its turn before other clients time
	// out.
	largePiece = 256 << 10
	largePause = 2 * time.Second
	largeTime  = 20 * time.Second
)

// A body is the body of an admitted request. Bytes read are charged to the gate
// until the request is finished. Announced bytes are neither allocated nor
// charged, except for a large body whose turn it is.
type body struct {
	in     io.ReadCloser
	ticket *ticket
	length int64 // as announced; -1 if unknown
	read   int64

	piece int64     // read when the deadline was set last
	until time.Time // deadline of a large body; zero if it is not large
}

// Read reads and charges the bytes. Errors match [ErrBusy].
func (b *body) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	b.read += int64(n)
	if busy := b.charge(int64(n), err == io.EOF); busy != nil {
		return n, busy
	}
	return n, err
}

// Close closes the server's body.
func (b *body) Close() error { return b.in.Close() }

func (b *body) charge(n int64, end bool) error {
	g, t := b.ticket.gate, b.ticket
	if b.until.IsZero() && b.read > smallBody {
		if err := g.reserve(t, largeCost*b.most()); err != nil {
			return err
		}
		b.until = time.Now().Add(largeTime)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.ended {
		return ErrBusy
	}
	if n > 0 {
		t.progress = time.Now()
	}
	if b.until.IsZero() && !g.chargeSmall(t, smallCost*n) {
		return ErrBusy
	}
	b.hurry(end)
	if end && t.kind == uploading && g.join(t, answering) != nil {
		return ErrBusy
	}
	return nil
}

// most returns the maximum size of the body.
func (b *body) most() int64 {
	if b.length < 0 {
		return largeBody
	}
	return min(b.length, largeBody)
}

// hurry sets the deadline for the next piece of a large body. At the end it
// leaves time for processing, because net/http ends a request whose connection
// has passed its deadline.
func (b *body) hurry(end bool) {
	switch {
	case b.until.IsZero():
	case end:
		b.ticket.conn.SetReadDeadline(time.Now().Add(largeTime))
	case b.piece == 0 || b.read-b.piece >= largePiece:
		b.piece = b.read
		deadline := time.Now().Add(largePause)
		if b.until.Before(deadline) {
			deadline = b.until
		}
		b.ticket.conn.SetReadDeadline(deadline)
	}
}

// chargeSmall charges n bytes to t. If there is no room it ends the slowest
// upload that holds more than t, so that a short request is always read.
func (g *Gate) chargeSmall(t *ticket, n int64) bool {
	for g.small+n > g.limits.Uploads/smallShare {
		var slowest *ticket
		for other := range g.held[uploading] {
			if other.small > t.small+n && (slowest == nil || other.progress.Before(slowest.progress)) {
				slowest = other
			}
		}
		if !g.end(slowest) {
			return false
		}
	}
	g.small += n
	t.small += n
	return true
}

// reserve waits at most largeWait until t may hold n bytes. Errors match
// [ErrBusy].
func (g *Gate) reserve(t *ticket, n int64) error {
	room := g.limits.Uploads - g.limits.Uploads/smallShare
	n = min(n, room)
	patience := time.NewTimer(largeWait)
	defer patience.Stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = append(g.queue, t)
	defer func() {
		g.queue = slices.DeleteFunc(g.queue, func(other *ticket) bool { return other == t })
		g.wake()
	}()
	for g.queue[0] != t || g.large+n > room {
		t.progress = time.Now() // the server causes this wait
		changed := g.changed
		g.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-patience.C:
			err = ErrBusy
		case <-t.done:
			err = ErrBusy
		}
		g.mu.Lock()
		if err != nil {
			return err
		}
	}
	g.large += n
	t.large = n
	return nil
}
