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
// not match its leaf hash; I/O errors.
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

// Entries returns the entries from an index on, up to the size of the published log when the
// iteration begins. [Log.Wait] waits for more. Entries reads one tile at a time, and ends
// after the first error: those of Entry. If from is the size of the log, it yields nothing.
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

// ProveInclusion returns a proof that the entry at index is in the tree of the first size
// entries of the published log. It returns only proofs that lead to the signed checkpoint.
// Errors: ErrRange, tile.ErrProof if tiles are damaged, I/O errors.
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

// ProveConsistency returns a proof that the tree of the first old entries is a prefix of that
// of the first size entries of the published log. Errors: those of ProveInclusion.
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

// Wait returns nil once at least size entries are published: Entry, the proofs, and the public
// checkpoint then cover them. Wait keeps waiting while a log reopens after an error. Errors:
// ErrClosed, ErrFailed or ErrFrozen if the log will not reach size; the context's.
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
			if l.Published() >= size { // published meanwhile
				return nil
			}
			if err := l.engine.Load().err(); err != nil {
				return err
			}
			return ErrClosed
		}
	}
}

// Published returns the number of entries under the checkpoint that readers see. If witnesses
// are required, they have cosigned it.
func (l *Log) Published() uint64 {
	size, _ := l.reach.get()
	return size
}

// A reach is the number of entries that readers see. It belongs to a log, and outlives its
// engines.
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

// readEntry reads one entry of a tree of size leaves. It holds only a few entries of the tile
// in memory.
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
