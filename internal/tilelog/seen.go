// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// noteInterval is the shortest time between two writes of a log's notes. Notes lag behind the
// log, so that no entry waits for them.
const noteInterval = time.Second

// ErrSeenMore reports that a log was seen with more entries than it has now, or with other
// entries. If the log went on, it would assign their indices to new entries.
var ErrSeenMore = errors.New("log was seen with more entries, or with others")

// WentBack reports that a log's directory is older than what is known of the log outside of
// it, or is of another history: an old copy, a wrong disk, a fork.
type WentBack struct {
	Dir  string
	Has  uint64 // entries in Dir
	Seen uint64 // entries that the log was seen with; 0: not known
	By   string // the source: a file, or a witness with its message
}

// Error returns what was seen of the log, and where.
func (w *WentBack) Error() string {
	switch {
	case w.Seen > w.Has:
		return fmt.Sprintf("it has %d of the %d entries that it had: %s", w.Has, w.Seen, w.By)
	case w.Seen > 0:
		return fmt.Sprintf("%d of its %d entries are not those that it had: %s", w.Seen, w.Has, w.By)
	}
	return fmt.Sprintf("it ends at %d: %s", w.Has, w.By)
}

// Is makes every WentBack an ErrSeenMore.
func (*WentBack) Is(target error) bool { return target == ErrSeenMore }

// An asker is a Cosigner that reports which witnesses have seen nothing beyond a checkpoint,
// and what the others answered. ErrSeenMore is evidence, other errors are not.
type asker interface {
	Newest(ctx context.Context, checkpoint []byte, size uint64, prove func(old uint64) ([]tlog.Hash, error)) (agree []string, others []error)
}

// checkSeen compares the log with its notes, and with what witnesses have cosigned.
func (e *engine) checkSeen() error {
	for _, n := range e.o.Storage.Notes {
		if err := e.checkNote(n); err != nil {
			return err
		}
	}
	witnesses, ok := e.o.Cosigner.(asker)
	if !ok || e.head.size == 0 {
		return nil
	}
	_, others := witnesses.Newest(context.Background(), e.head.envelope, e.head.size, e.proofTo(e.head.size))
	for _, err := range others {
		if errors.Is(err, ErrSeenMore) {
			return &WentBack{Dir: e.o.Storage.Name, Has: e.head.size, By: "witness " + err.Error()}
		}
		e.o.Logger.Warn("witness does not say what it has seen of the log", "dir", e.o.Storage.Name, "cause", err)
	}
	return nil
}

// proofTo returns a function that proves a smaller tree to be a prefix of that of size leaves.
func (e *engine) proofTo(size uint64) func(old uint64) ([]tlog.Hash, error) {
	return func(old uint64) ([]tlog.Hash, error) { return tlog.ProveTree(int64(size), int64(old), e.tree) }
}

// checkNote checks the log against one note. Earlier builds wrote only the origin into a start
// marker, and no other notes.
func (e *engine) checkNote(n Note) error {
	raw, err := n.Read()
	if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Count(raw, []byte("\n")) <= 1 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what the log was seen with: %w", err)
	}
	c, err := e.o.openCheckpoint(raw)
	if err != nil {
		return fmt.Errorf("reading what the log was seen with, %s: %w", n.Name(), err)
	}
	went := &WentBack{Dir: e.o.Storage.Name, Has: e.head.size, Seen: c.Size, By: n.Name() + " says so"}
	if c.Size > e.head.size {
		return went
	}
	root, err := e.tree.root(c.Size)
	if err == nil && root != c.Root {
		err = went
	}
	e.noted[n.Name()] = c.Size
	return err
}

// seen returns the newest checkpoint that a client may have been given. It is
// durable.
func (e *engine) seen() head {
	if e.o.Witnessed {
		h, _, _ := e.exposed.get()
		return h
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.head
}

// noteAll writes the notes whenever the log has grown, until it is closed.
func (e *engine) noteAll() {
	for range e.grown {
		for !e.note() && e.rest(lastRetry) {
		}
		e.rest(noteInterval)
	}
}

// note writes the notes that are behind. A note that can't be written does not stop the log:
// its earlier contents still count.
func (e *engine) note() (ok bool) {
	h, ok := e.seen(), true
	for _, n := range e.o.Storage.Notes {
		if e.noted[n.Name()] >= h.size {
			continue
		}
		switch err := n.Write(h.envelope); {
		case err == nil:
			e.noted[n.Name()] = h.size
		case !errors.Is(err, fs.ErrNotExist):
			e.o.Logger.Error("what the log was seen with can't be noted", "path", n.Name(), "cause", err)
			ok = false
		}
	}
	return ok
}
