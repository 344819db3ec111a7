package tilelog

import (
	"fmt"
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
func (l *Log) sequence() {
	for first := range l.queue {
		waiters := l.gather(first)
		if err := l.commit(waiters); err != nil {
			l.fail(err)
			for _, w := range waiters {
				w.err = l.Err()
			}
		}
		for _, w := range waiters {
			close(w.done)
		}
	}
}

// gather takes all that wait, up to maxBatch.
func (l *Log) gather(first *waiter) []*waiter {
	waiters := []*waiter{first}
	for len(waiters) < maxBatch {
		select {
		case w, ok := <-l.queue:
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
func (l *Log) commit(waiters []*waiter) error {
	if err := l.Err(); err != nil {
		return err
	}
	now := l.o.Clock()
	b := batch{record: record{base: l.head.size}}
	for _, w := range waiters {
		w.now = now
		w.err = l.place(w, &b)
	}
	if len(b.entries) > 0 {
		if err := l.promise(&b); err != nil {
			return err
		}
	}
	for _, w := range waiters {
		w.head = l.head
	}
	return nil
}

// place gives w its index: that of the same entry before, or the next.
func (l *Log) place(w *waiter, b *batch) error {
	entry := w.Entry
	if w.Make != nil {
		var err error
		if entry, err = w.Make(b.end(), w.now); err != nil {
			return fmt.Errorf("%w: %w", ErrEntry, err)
		}
	}
	leaf, encoded, err := l.encode(entry)
	if err != nil {
		return err
	}
	w.leaf, w.index = leaf, b.end()
	if l.known != nil && w.Make == nil {
		if index, ok := l.known[leafKey(leaf[:])]; ok {
			w.index = index
			return nil
		}
	}
	l.grow(leaf, w.index)
	b.entries = append(b.entries, entry)
	b.encoded = append(b.encoded, encoded)
	return nil
}

func (l *Log) encode(entry []byte) (leaf tlog.Hash, encoded []byte, err error) {
	if len(entry) > maxEntry {
		return tlog.Hash{}, nil, fmt.Errorf("%w: longer than %d bytes", ErrEntry, maxEntry)
	}
	hashed, err := l.o.Format.Leaf(entry)
	if err != nil {
		return tlog.Hash{}, nil, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	if encoded, err = l.o.Format.Encode(entry); err != nil {
		return tlog.Hash{}, nil, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return tile.LeafHash(hashed), encoded, nil
}

// grow adds the leaf at index, the tree's next, to tree and known leaves.
func (l *Log) grow(leaf tlog.Hash, index uint64) {
	if l.known != nil {
		l.known[leafKey(leaf[:])] = index
	}
	l.tree.append(leaf)
}

// promise signs the tree that b has led to and makes it durable.
func (l *Log) promise(b *batch) error {
	root, err := l.tree.root(b.end())
	if err != nil {
		return err
	}
	c := checkpoint.Checkpoint{Origin: l.o.Origin, Size: b.end(), Root: root}
	if b.checkpoint, err = checkpoint.Sign(c, l.o.Signers...); err != nil {
		return err
	}
	raw, err := b.marshal()
	if err != nil {
		return err
	}
	if err := l.makeRoom(); err != nil {
		return err
	}
	if err := l.journal.Append(raw); err != nil {
		return err
	}
	l.accept(head{size: b.end(), root: root, envelope: b.checkpoint}, b.encoded)
	signal(l.committed)
	return nil
}

// makeRoom rewinds the journal when all that it holds is published, and waits
// for that when it has grown too long.
func (l *Log) makeRoom() error {
	for l.published.Load() < l.head.size {
		if l.journal.Size() < journalLimit {
			return nil
		}
		signal(l.hurry)
		select {
		case <-l.caughtUp:
		case <-l.failed:
			return l.failure
		}
	}
	l.journal.Reset()
	return nil
}

// accept makes h the log's head, with entries that it has beyond the last.
func (l *Log) accept(h head, encoded [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, entry := range encoded {
		n := (l.head.size + uint64(i)) / tile.Width
		if l.bundles[n] == nil {
			l.bundles[n] = new(bundle)
		}
		l.bundles[n].add(entry)
	}
	l.head = h
}

// signal wakes who waits on c, of capacity 1, now or later.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
