// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// maxBacklog is the number of bytes of entries that may be in the journal only, before the
// sequencer waits for the publisher, so that the journal can be rewound.
const maxBacklog = 16 << 20

// A waiter is an entry on its way through the sequencer, which fills in the other fields and
// closes done.
type waiter struct {
	Pending
	done chan struct{}

	err     error
	index   uint64
	leaf    tlog.Hash
	encoded []byte
	now     time.Time
	head    head
}

// A batch collects what one round of the sequencer adds.
type batch struct {
	Promised
	leaves  []tlog.Hash
	encoded [][]byte             // entries as encoded in tiles
	known   map[tlog.Hash]uint64 // indices of leaves that are asked for; nil without Dedup
}

// sequence answers all queued entries, until the queue is closed and empty.
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

// gather takes all waiting entries, up to maxBatch. It first yields, so that goroutines about
// to enqueue can do so. Under load this merges small batches, saving a signature and an fsync
// each; on an idle machine it takes no time.
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

// commit makes the waiters' entries durable under a new checkpoint. After an error no batch
// may be committed: leaves in the tree, or a batch in the journal, may not have been promised.
func (e *engine) commit(waiters []*waiter) error {
	if err := e.err(); err != nil {
		return err
	}
	if err := e.makeRoom(); err != nil {
		return err
	}
	before := e.head.size
	turn, err := e.turn()
	if err != nil {
		return err
	}
	defer turn.Release()
	b, err := e.place(turn, waiters)
	if err != nil {
		return err
	}
	if err := e.promise(turn, b); err != nil {
		return err
	}
	if e.head.size > before {
		signal(e.committed)
		signal(e.grown)
	}
	for _, w := range waiters {
		w.head = e.head
	}
	return nil
}

// turn waits for the turn to append, and replays the batches of other writers.
func (e *engine) turn() (Turn, error) {
	turn, err := e.journal.Turn(e.ctx, e.head.size)
	if err != nil {
		return nil, err
	}
	for _, p := range turn.Since() {
		if err := e.replay(p); err != nil {
			turn.Release()
			return nil, err
		}
	}
	return turn, nil
}

// place assigns an index to each waiter: that of an equal earlier entry, or the next.
func (e *engine) place(turn Turn, waiters []*waiter) (*batch, error) {
	b := &batch{Promised: Promised{Base: e.head.size}}
	now := e.o.Clock()
	var asked []tlog.Hash
	for _, w := range waiters {
		w.now = now
		if w.Make != nil {
			continue
		}
		if w.leaf, w.encoded, w.err = e.encode(w.Entry); w.err == nil {
			asked = append(asked, w.leaf)
		}
	}
	if e.o.Dedup {
		found, err := turn.Known(asked)
		if err != nil {
			return nil, err
		}
		b.known = make(map[tlog.Hash]uint64, len(waiters))
		for _, f := range found {
			b.known[f.Leaf] = f.Index
		}
	}
	for _, w := range waiters {
		if w.err == nil {
			w.err = e.add(w, b)
		}
	}
	return b, e.err()
}

// add adds the entry of w to the batch, unless the log has it.
func (e *engine) add(w *waiter, b *batch) error {
	entry := w.Entry
	if w.Make != nil {
		var err error
		if entry, err = w.Make(b.End(), w.now); err != nil {
			return fmt.Errorf("%w: %w", ErrEntry, err)
		}
		if w.leaf, w.encoded, err = e.encode(entry); err != nil {
			return err
		}
	}
	index, ok := b.known[w.leaf]
	if ok && w.Make == nil {
		w.index = index
		return nil
	}
	w.index = b.End()
	if b.known != nil && !ok {
		b.known[w.leaf] = w.index
	}
	e.tree.append(w.leaf)
	b.Entries = append(b.Entries, entry)
	b.leaves = append(b.leaves, w.leaf)
	b.encoded = append(b.encoded, w.encoded)
	return nil
}

func (e *engine) encode(entry []byte) (leaf tlog.Hash, encoded []byte, err error) {
	if leaf, err = e.leaf(entry); err != nil {
		return tlog.Hash{}, nil, err
	}
	if encoded, err = e.o.Format.Encode(entry); err != nil {
		return tlog.Hash{}, nil, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return leaf, encoded, nil
}

// leaf returns the leaf hash of an entry.
func (e *engine) leaf(entry []byte) (tlog.Hash, error) {
	if len(entry) > maxEntry {
		return tlog.Hash{}, fmt.Errorf("%w: longer than %d bytes", ErrEntry, maxEntry)
	}
	hashed, err := e.o.Format.Leaf(entry)
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return tile.LeafHash(hashed), nil
}

// promise signs the tree that includes b and makes b durable. For a batch of duplicates only,
// it makes sure that the original entries are durable.
func (e *engine) promise(turn Turn, b *batch) error {
	if len(b.Entries) == 0 {
		return turn.Commit(b.Promised, nil)
	}
	root, err := e.tree.root(b.End())
	if err != nil {
		return err
	}
	c := checkpoint.Checkpoint{Origin: e.o.Origin, Size: b.End(), Root: root}
	if b.Checkpoint, err = checkpoint.Sign(c, e.o.Signers...); err != nil {
		return err
	}
	if err := turn.Commit(b.Promised, b.leaves); err != nil {
		return err
	}
	e.accept(head{size: b.End(), root: root, envelope: b.Checkpoint}, b.encoded)
	return nil
}

// makeRoom waits for the publisher if too much is in the journal only. The journal only grows
// until everything in it is published.
func (e *engine) makeRoom() error {
	for e.published.Load() < e.head.size {
		if e.backlog < maxBacklog {
			return nil
		}
		signal(e.hurry)
		select {
		case <-e.caughtUp:
		case <-e.failed:
			return e.failure
		}
	}
	e.backlog = 0
	return nil
}

// accept makes h the log's head, with the entries that it adds.
func (e *engine) accept(h head, encoded [][]byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, entry := range encoded {
		n := (e.head.size + uint64(i)) / tile.Width
		if e.bundles[n] == nil {
			e.bundles[n] = new(bundle)
		}
		e.bundles[n].add(entry)
		e.backlog += len(entry)
	}
	e.head = h
}

// signal wakes the receiver of c, which has capacity 1, now or later.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
