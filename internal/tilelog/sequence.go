package tilelog

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// journalLimit is the size, in bytes, at which the sequencer waits for the
// publisher, so that the journal can begin anew.
const journalLimit = 16 << 20

// waiter is an entry on its way through the sequencer, which fills in the rest
// and closes done.
type waiter struct {
	Pending
	done chan struct{}

	err   error
	index uint64
	leaf  tlog.Hash
	now   time.Time
	head  head
}

// batch is what a round of the sequencer adds.
type batch struct {
	record
	encoded [][]byte // entries as they stand in tiles
}

// sequence answers all that is queued, until the queue is closed and empty.
func (e *engine) sequence() {
	for first := range e.queue {
		waiters := e.gather(first)
		if err := e.commit(waiters); err != nil {
			e.fail(err)
			for _, w := range waiters {
				w.err = e.err()
			}
		}
		for _, w := range waiters {
			close(w.done)
		}
	}
}

// gather takes all that wait, up to maxBatch. Whoever is about to enqueue does so
// before: on a busy machine that makes few large batches of many small ones, each of
// which costs a signature and an fsync, and on an idle one it takes no time.
func (e *engine) gather(first *waiter) []*waiter {
	runtime.Gosched()
	waiters := []*waiter{first}
	for len(waiters) < maxBatch {
		select {
		case w, ok := <-e.queue:
			if !ok {
				return waiters
			}
			waiters = append(waiters, w)
		default:
			return waiters
		}
	}
	return waiters
}

// commit makes the waiters' entries durable under a new checkpoint. After an
// error nothing may be committed again: leaves may be in the tree, or the record
// in the journal, that no one has been promised.
func (e *engine) commit(waiters []*waiter) error {
	if err := e.err(); err != nil {
		return err
	}
	now := e.o.Clock()
	b := batch{record: record{base: e.head.size}}
	for _, w := range waiters {
		w.now = now
		w.err = e.place(w, &b)
	}
	if err := e.err(); err != nil {
		return err
	}
	if len(b.entries) > 0 {
		if err := e.promise(&b); err != nil {
			return err
		}
	}
	for _, w := range waiters {
		w.head = e.head
	}
	return nil
}

// place gives w its index: that of the same entry before, or the next.
func (e *engine) place(w *waiter, b *batch) error {
	entry := w.Entry
	if w.Make != nil {
		var err error
		if entry, err = w.Make(b.end(), w.now); err != nil {
			return fmt.Errorf("%w: %w", ErrEntry, err)
		}
	}
	leaf, encoded, err := e.encode(entry)
	if err != nil {
		return err
	}
	w.leaf, w.index = leaf, b.end()
	if e.known != nil && w.Make == nil {
		index, ok, err := e.known.Find(leaf)
		if err != nil {
			e.fail(err)
			return e.err()
		}
		if ok {
			w.index = index
			return nil
		}
	}
	if err := e.grow(leaf, w.index); err != nil {
		e.fail(err)
		return e.err()
	}
	b.entries = append(b.entries, entry)
	b.encoded = append(b.encoded, encoded)
	return nil
}

func (e *engine) encode(entry []byte) (leaf tlog.Hash, encoded []byte, err error) {
	if len(entry) > maxEntry {
		return tlog.Hash{}, nil, fmt.Errorf("%w: longer than %d bytes", ErrEntry, maxEntry)
	}
	hashed, err := e.o.Format.Leaf(entry)
	if err != nil {
		return tlog.Hash{}, nil, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	if encoded, err = e.o.Format.Encode(entry); err != nil {
		return tlog.Hash{}, nil, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return tile.LeafHash(hashed), encoded, nil
}

// grow adds the leaf at index, the tree's next, to tree and known leaves.
func (e *engine) grow(leaf tlog.Hash, index uint64) error {
	if e.known != nil {
		if err := e.known.Add(leaf, index); err != nil {
			return err
		}
	}
	e.tree.append(leaf)
	return nil
}

// promise signs the tree that b has led to and makes it durable.
func (e *engine) promise(b *batch) error {
	root, err := e.tree.root(b.end())
	if err != nil {
		return err
	}
	c := checkpoint.Checkpoint{Origin: e.o.Origin, Size: b.end(), Root: root}
	if b.checkpoint, err = checkpoint.Sign(c, e.o.Signers...); err != nil {
		return err
	}
	raw, err := b.marshal()
	if err != nil {
		return err
	}
	if err := e.makeRoom(); err != nil {
		return err
	}
	if err := e.journal.Append(raw); err != nil {
		return err
	}
	e.accept(head{size: b.end(), root: root, envelope: b.checkpoint}, b.encoded)
	signal(e.committed)
	signal(e.grown)
	return nil
}

// makeRoom rewinds the journal when all that it holds is published, and waits
// for that when it has grown too long.
func (e *engine) makeRoom() error {
	for e.published.Load() < e.head.size {
		if e.journal.Size() < journalLimit {
			return nil
		}
		signal(e.hurry)
		select {
		case <-e.caughtUp:
		case <-e.failed:
			return e.failure
		}
	}
	e.journal.Reset()
	return nil
}

// accept makes h the log's head, with entries that it has beyond the last.
func (e *engine) accept(h head, encoded [][]byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, entry := range encoded {
		n := (e.head.size + uint64(i)) / tile.Width
		if e.bundles[n] == nil {
			e.bundles[n] = new(bundle)
		}
		e.bundles[n].add(entry)
	}
	e.head = h
}

// signal wakes who waits on c, of capacity 1, now or later.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
