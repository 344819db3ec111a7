// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

// ErrRange reports an index or a size beyond the published log.
var ErrRange = errors.New("the log is shorter")

// Entry returns the entry at an index of the published log. Errors: ErrRange; the entry does
// not have its leaf hash; those of the disk.
func (l *Log) Entry(ctx context.Context, index uint64) ([]byte, error) {
	size := l.Published()
	if index >= size {
		return nil, fmt.Errorf("reading entry %d of %d: %w", index, size, ErrRange)
	}
	entry, err := l.readEntry(ctx, index, size)
	if err != nil {
		return nil, fmt.Errorf("reading entry %d: %w", index, err)
	}
	return entry, nil
}

// Entries returns the entries of the published log, as long as it is when the iteration
// begins, from an index on. [Log.Wait] tells when there are more. It reads one tile at a
// time, and ends after the first error: those of Entry. If from is the size of the log,
// there are no entries and no error.
func (l *Log) Entries(ctx context.Context, from uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		size := l.Published()
		if from > size {
			yield(nil, fmt.Errorf("reading entries from %d of %d: %w", from, size, ErrRange))
			return
		}
		for at := from; at < size; {
			entries, err := l.readEntries(ctx, at/tile.Width, size)
			if err != nil {
				yield(nil, fmt.Errorf("reading entries: %w", err))
				return
			}
			for _, entry := range entries[at%tile.Width:] {
				if !yield(entry, nil) {
					return
				}
				at++
			}
		}
	}
}

// Latest returns the published entries, the newest first. It reads one tile at a time,
// and ends after the first error: those of Entry.
func (l *Log) Latest(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for size := l.Published(); size > 0; size = (size - 1) / tile.Width * tile.Width {
			entries, err := l.readEntries(ctx, (size-1)/tile.Width, size)
			if err != nil {
				yield(nil, fmt.Errorf("reading entries: %w", err))
				return
			}
			for _, entry := range slices.Backward(entries) {
				if !yield(entry, nil) {
					return
				}
			}
		}
	}
}

// ProveInclusion proves that the entry at index is in the tree of the first size entries, of
// the published log. The proof leads to the signed checkpoint, or it is an error. Errors:
// ErrRange, tile.ErrProof if tiles are damaged, those of the disk.
func (l *Log) ProveInclusion(ctx context.Context, index, size uint64) (tile.InclusionProof, error) {
	if published := l.Published(); size > published || index >= size {
		return tile.InclusionProof{}, fmt.Errorf("proving entry %d of %d, of a log of %d: %w", index, size, published, ErrRange)
	}
	if err := ctx.Err(); err != nil {
		return tile.InclusionProof{}, err
	}
	e := l.engine.Load()
	root, _, err := e.prefix(size, size)
	if err != nil {
		return tile.InclusionProof{}, err
	}
	leaf, err := e.tree.hash(tlog.StoredHashIndex(0, int64(index)))
	if err != nil {
		return tile.InclusionProof{}, fmt.Errorf("proving inclusion: %w", err)
	}
	return e.tree.prove(index, size, leaf, root)
}

// ProveConsistency proves that the tree of the first size entries of the published log
// begins with that of the first old ones. Errors: those of ProveInclusion.
func (l *Log) ProveConsistency(ctx context.Context, old, size uint64) ([]tlog.Hash, error) {
	if published := l.Published(); size > published || old > size {
		return nil, fmt.Errorf("proving %d of %d, of a log of %d: %w", old, size, published, ErrRange)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	_, proof, err := l.engine.Load().prefix(old, size)
	return proof, err
}

// prefix returns the root of the first old entries, and the proof that the first size
// entries begin with them. Both lead to the signed head.
func (e *engine) prefix(old, size uint64) (root tlog.Hash, proof []tlog.Hash, err error) {
	e.mu.RLock()
	h := e.head
	e.mu.RUnlock()
	whole, _, err := e.tree.proveTree(size, h.size, h.root)
	if err != nil {
		return tlog.Hash{}, nil, err
	}
	return e.tree.proveTree(old, size, whole)
}

// Wait returns nil once at least size entries are published: Entry and the proofs know them
// then, and readers of the checkpoint do. A log that is opened again after an error is
// waited for. Errors: ErrClosed, ErrFailed or ErrFrozen if there will not be so many; the
// context's.
func (l *Log) Wait(ctx context.Context, size uint64) error {
	for {
		has, grown := l.reach.get()
		if has >= size {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the log: %w", ctx.Err())
		case <-l.stopped:
			if l.Published() >= size { // at the last moment
				return nil
			}
			if err := l.engine.Load().err(); err != nil {
				return err
			}
			return ErrClosed
		}
	}
}

// Published returns how many entries readers see: those under the checkpoint that is served.
// Where witnesses must cosign, they have.
func (l *Log) Published() uint64 {
	size, _ := l.reach.get()
	return size
}

// reach is how far readers see. It belongs to a log, whatever engine it has.
type reach struct {
	mu    sync.Mutex
	size  uint64
	grown chan struct{} // closed when size grows
}

func newReach() *reach { return &reach{grown: make(chan struct{})} }

func (r *reach) get() (size uint64, grown <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.size, r.grown
}

func (r *reach) extend(size uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if size > r.size {
		r.size = size
		close(r.grown)
		r.grown = make(chan struct{})
	}
}

// readEntries reads the n-th tile of entries of a tree of size leaves.
func (l *Log) readEntries(ctx context.Context, n, size uint64) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	width := tileWidth(position{0, n}, size)
	f, length, err := l.openTile(ctx, tileRef{position{l.o.Format.Level, n}, width})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rest, err := io.ReadAll(f.Content(length))
	entries := make([][]byte, width)
	for i := range entries {
		if err != nil {
			return nil, err
		}
		if entries[i], rest, err = l.o.Format.Next(rest); err == nil {
			err = l.engine.Load().checkLeaf(n*tile.Width+uint64(i), entries[i])
		}
	}
	return entries, err
}

// readEntry reads one entry of a tree of size leaves, and holds no more of its tile in
// memory than a few of them.
func (l *Log) readEntry(ctx context.Context, index, size uint64) ([]byte, error) {
	n := index / tile.Width
	f, length, err := l.openTile(ctx, tileRef{position{l.o.Format.Level, n}, tileWidth(position{0, n}, size)})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	from, err := l.cutEntries(ctx, f, length, int(index%tile.Width))
	if err != nil {
		return nil, err
	}
	content := make([]byte, min(maxEncoded, length-from))
	if n, err := f.ReadAt(content, from); n < len(content) {
		return nil, err
	}
	entry, _, err := l.o.Format.Next(content)
	if err != nil {
		return nil, err
	}
	return slices.Clip(entry), l.engine.Load().checkLeaf(index, entry)
}

// checkLeaf checks an entry against its leaf hash in the tree.
func (e *engine) checkLeaf(index uint64, entry []byte) error {
	leaf, err := e.leaf(entry)
	if err != nil {
		return err
	}
	want, err := e.tree.hash(tlog.StoredHashIndex(0, int64(index)))
	if err == nil && leaf != want {
		err = fmt.Errorf("entry %d does not have its leaf hash: restore from a backup", index)
	}
	return err
}
