// SPDX-License-Identifier: Apache-2.0

package logread

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

// An Entry is an entry of a log.
type Entry struct {
	Index uint64
	Raw   []byte    // as in its tile, without its length
	Leaf  tlog.Hash // hash in the tree
}

// A tree reads the hashes of the tree of a verified head. All hashes that it
// returns are verified against the head's root.
type tree struct {
	ctx  context.Context
	log  *Log
	head *Head
	kept map[tlog.Tile][]byte // verified
	err  error                // error of the last tile that could not be read
}

// keptTiles bounds the cached tiles, to 8 MiB.
const keptTiles = 1024

func (l *Log) tree(ctx context.Context, head *Head) *tree {
	return &tree{ctx: ctx, log: l, head: head, kept: map[tlog.Tile][]byte{}}
}

// ReadHashes implements [tlog.HashReader]. Errors match [ErrDamaged] or are
// those of [Source].
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	t.err = nil
	head := tlog.Tree{N: int64(t.head.Size), Hash: t.head.Root}
	hashes, err := tlog.TileHashReader(head, (*tiles)(t)).ReadHashes(indexes)
	switch {
	case t.err != nil:
		return nil, t.err
	case err != nil:
		return nil, fmt.Errorf("%w: tiles do not lead to the root of %d entries", ErrDamaged, t.head.Size)
	}
	return hashes, nil
}

// tiles is a tree that implements tlog.TileReader.
type tiles tree

// Height implements tlog.TileReader.
func (t *tiles) Height() int { return 8 }

// ReadTiles implements tlog.TileReader.
func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(wanted))
	for i, w := range wanted {
		if all[i] = t.kept[w]; all[i] != nil {
			continue
		}
		all[i], t.err = t.log.hashes(t.ctx, position{w.L, uint64(w.N)}, w.W)
		if errors.Is(t.err, fs.ErrNotExist) {
			t.err = missing(tile.Path(w.L, uint64(w.N), w.W))
		}
		if t.err != nil {
			return nil, t.err
		}
	}
	return all, nil
}

// missing returns the error for a missing tile. It means damage, unless the log
// is just being started or moved.
func missing(path string) error {
	return fmt.Errorf("%w: %s: %w", ErrDamaged, path, fs.ErrNotExist)
}

// SaveTiles implements tlog.TileReader.
func (t *tiles) SaveTiles(verified []tlog.Tile, data [][]byte) {
	if len(t.kept) > keptTiles {
		clear(t.kept)
	}
	for i, v := range verified {
		t.kept[v] = data[i]
	}
}

// Entries returns an iterator over the entries from one index up to another,
// exclusive. All of them are in the tree of head. It ends with the first error,
// which matches [ErrDamaged] or [ErrBehind] or is that of [Source].
func (l *Log) Entries(ctx context.Context, head *Head, from, to uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if to > head.Size {
			yield(Entry{}, fmt.Errorf("%w: %d, of %d", ErrBehind, head.Size, to))
			return
		}
		hashes := l.tree(ctx, head)
		for n := from / tile.Width; n*tile.Width < to; n++ {
			entries, err := hashes.entries(n)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range entries {
				if e.Index >= from && e.Index < to && !yield(e, nil) {
					return
				}
			}
		}
	}
}

// entries reads a tile of entries and verifies that they are in the tree.
func (t *tree) entries(n uint64) ([]Entry, error) {
	width := position{0, n}.width(t.head.Size)
	entries, err := t.log.bundle(t.ctx, t.head.Format, n, width)
	if errors.Is(err, fs.ErrNotExist) {
		err = missing(tile.Path(t.head.Format.level, n, width))
	}
	if err != nil {
		return nil, err
	}
	indexes := make([]int64, width)
	for i, e := range entries {
		indexes[i] = tlog.StoredHashIndex(0, int64(e.Index))
	}
	leaves, err := t.ReadHashes(indexes)
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if e.Leaf != leaves[i] {
			return nil, fmt.Errorf("%w: %s in %s is not the one in the tree", ErrDamaged, leafName(e.Index), tile.Path(t.head.Format.level, n, width))
		}
	}
	return entries, nil
}

// Prove returns an entry and a verified proof that it is in the tree of head.
// Errors match [ErrDamaged] or [ErrBehind], or are those of [Source].
func (l *Log) Prove(ctx context.Context, head *Head, index uint64) (Entry, tile.InclusionProof, error) {
	for e, err := range l.Entries(ctx, head, index, index+1) {
		if err != nil {
			return Entry{}, tile.InclusionProof{}, err
		}
		p := tile.InclusionProof{Index: index, Size: head.Size}
		if p.Hashes, err = tlog.ProveRecord(int64(head.Size), int64(index), l.tree(ctx, head)); err != nil {
			return Entry{}, tile.InclusionProof{}, err
		}
		return e, p, p.Verify(head.Root, e.Leaf)
	}
	return Entry{}, tile.InclusionProof{}, ErrBehind
}

// RootAt returns the root of the first size entries of the tree of head. Errors
// match [ErrDamaged] or [ErrBehind], or are those of [Source].
func (l *Log) RootAt(ctx context.Context, head *Head, size uint64) (tlog.Hash, error) {
	switch {
	case size > head.Size:
		return tlog.Hash{}, fmt.Errorf("%w: %d, of %d", ErrBehind, head.Size, size)
	case size == head.Size:
		return head.Root, nil
	}
	return tlog.TreeHash(int64(size), l.tree(ctx, head))
}

// Consistency returns the proof that the tree of the first old entries is a
// beginning of the tree of the first size entries. Errors match [ErrDamaged] or
// [ErrBehind], or are those of [Source].
func (l *Log) Consistency(ctx context.Context, head *Head, old, size uint64) ([]tlog.Hash, error) {
	if size > head.Size || old > size {
		return nil, fmt.Errorf("%w: %d, of %d", ErrBehind, head.Size, max(old, size))
	}
	if old == 0 || old == size {
		return nil, nil
	}
	return tlog.ProveTree(int64(size), int64(old), l.tree(ctx, head))
}
