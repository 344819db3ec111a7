// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

// tileHeight is the number of tree levels in a tile: 256 = 1<<8.
const tileHeight = 8

// A position locates a tile of hashes.
type position struct {
	level int
	n     uint64
}

// end returns the index after the last leaf below the full tile.
func (p position) end() uint64 { return (p.n + 1) << (tileHeight * (p.level + 1)) }

// A nodes value is a tile with the complete subtrees inside it: nodes[k][i] is the root of the
// i-th 2^k hashes of the tile.
type nodes [tileHeight][]tlog.Hash

// add appends a hash. If this fills the tile, add returns the tile's root.
func (t *nodes) add(h tlog.Hash) (root tlog.Hash, full bool) {
	for k := range t {
		t[k] = append(t[k], h)
		w := len(t[k])
		if w%2 == 1 {
			return tlog.Hash{}, false
		}
		h = tlog.NodeHash(t[k][w-2], t[k][w-1])
	}
	return h, true
}

// A tree is the Merkle tree. It keeps in memory the tiles of the right edge and those not yet
// on disk, and reads all others when needed.
type tree struct {
	readTile func(at position, width int) ([]tlog.Hash, error) // from disk

	mu    sync.RWMutex // guards the fields below
	size  uint64       // leaves, promised or not
	tiles map[position]*nodes
}

func newTree(readTile func(position, int) ([]tlog.Hash, error)) *tree {
	return &tree{readTile: readTile, tiles: make(map[position]*nodes)}
}

// append adds a leaf.
func (t *tree) append(h tlog.Hash) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for level := 0; ; level++ {
		at := position{level, t.size >> (tileHeight * (level + 1))}
		if t.tiles[at] == nil {
			t.tiles[at] = new(nodes)
		}
		root, full := t.tiles[at].add(h)
		if !full {
			break
		}
		h = root
	}
	t.size++
}

// root computes the root of the first size leaves.
func (t *tree) root(size uint64) (tlog.Hash, error) {
	return tlog.TreeHash(int64(size), t)
}

// prove returns a proof that leaf is at index among the first size leaves, whose root is root.
// It verifies the proof, so a damaged tile can't get into one.
func (t *tree) prove(index, size uint64, leaf, root tlog.Hash) (tile.InclusionProof, error) {
	hashes, err := tlog.ProveRecord(int64(size), int64(index), t)
	if err != nil {
		return tile.InclusionProof{}, fmt.Errorf("proving inclusion: %w", err)
	}
	p := tile.InclusionProof{Index: index, Size: size, Hashes: hashes}
	if err := p.Verify(root, leaf); err != nil {
		return tile.InclusionProof{}, fmt.Errorf("proving inclusion: %w", err)
	}
	return p, nil
}

// proveTree returns the root of the first old leaves, and the proof that the first size
// leaves, whose root is whole, begin with them. It verifies the proof.
func (t *tree) proveTree(old, size uint64, whole tlog.Hash) (root tlog.Hash, proof []tlog.Hash, err error) {
	if root, err = t.root(old); err != nil {
		return tlog.Hash{}, nil, fmt.Errorf("proving consistency: %w", err)
	}
	switch old {
	case 0: // the empty tree is a prefix of every tree
		return root, nil, nil
	case size:
		if root != whole {
			return tlog.Hash{}, nil, fmt.Errorf("proving consistency: %w", tile.ErrProof)
		}
		return root, nil, nil
	}
	if proof, err = tlog.ProveTree(int64(size), int64(old), t); err == nil {
		if tlog.CheckTree(proof, int64(size), whole, int64(old), root) != nil {
			err = tile.ErrProof
		}
	}
	if err != nil {
		return tlog.Hash{}, nil, fmt.Errorf("proving consistency: %w", err)
	}
	return root, proof, nil
}

// ReadHashes implements tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		h, err := t.hash(index)
		if err != nil {
			return nil, err
		}
		hashes[i] = h
	}
	return hashes, nil
}

// hash returns one stored hash, which x/mod numbers across all levels.
func (t *tree) hash(index int64) (tlog.Hash, error) {
	level, n := tlog.SplitStoredHashIndex(index)
	k := level % tileHeight
	at := position{level / tileHeight, uint64(n) >> (tileHeight - k)}
	i := uint64(n) & (1<<(tileHeight-k) - 1)
	t.mu.RLock()
	if held := t.tiles[at]; held != nil {
		defer t.mu.RUnlock()
		if i >= uint64(len(held[k])) {
			return tlog.Hash{}, fmt.Errorf("hash %d of level %d is beyond the tree", n, level)
		}
		return held[k][i], nil
	}
	size := t.size
	t.mu.RUnlock()
	width := tileWidth(at, size) // full, except at the edge of a frozen log
	if (i+1)<<k > uint64(width) {
		return tlog.Hash{}, fmt.Errorf("hash %d of level %d is beyond the tree", n, level)
	}
	data, err := t.readTile(at, width)
	if err != nil {
		return tlog.Hash{}, err
	}
	return subtree(data[i<<k : (i+1)<<k]), nil
}

// subtree returns the root of a complete tree over hashes, which it overwrites.
func subtree(hashes []tlog.Hash) tlog.Hash {
	for ; len(hashes) > 1; hashes = hashes[:len(hashes)/2] {
		for i := range len(hashes) / 2 {
			hashes[i] = tlog.NodeHash(hashes[2*i], hashes[2*i+1])
		}
	}
	return hashes[0]
}

// hold keeps a partial tile in memory.
func (t *tree) hold(at position, hashes []tlog.Hash) {
	held := new(nodes)
	for _, h := range hashes {
		held.add(h)
	}
	t.tiles[at] = held
}

// base returns the first width hashes of a tile in memory, encoded as in its file.
func (t *tree) base(at position, width int) []byte {
	t.mu.RLock()
	defer t.mu.RUnlock()
	data := make([]byte, 0, width*tlog.HashSize)
	for _, h := range t.tiles[at][0][:width] {
		data = append(data, h[:]...)
	}
	return data
}

// forget drops the full tiles of the first size leaves, which are on disk.
func (t *tree) forget(size uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for at := range t.tiles {
		if at.end() <= size {
			delete(t.tiles, at)
		}
	}
}

// tileWidth returns the number of hashes of the tile at p in a tree of size leaves.
func tileWidth(p position, size uint64) int {
	hashes := size >> (tileHeight * p.level)
	first := p.n * tile.Width
	if hashes <= first {
		return 0
	}
	return int(min(hashes-first, tile.Width))
}
