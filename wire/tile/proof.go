// SPDX-License-Identifier: Apache-2.0

package tile

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// MaxSize is the size of the largest tree for which proofs are checked, in
// leaves. It is beyond any real log, and small enough that no arithmetic on
// indices overflows.
const MaxSize = 1 << 60

// ErrProof reports that a proof does not lead to the expected root. The caller
// must refuse the claim that the proof was to support.
var ErrProof = errors.New("proof does not lead to the root")

// An InclusionProof proves that a leaf is in a tree (RFC 6962 §2.1.1).
type InclusionProof struct {
	Index  uint64      // of the leaf, from 0
	Size   uint64      // of the tree, in leaves
	Hashes []tlog.Hash // siblings, from the leaf up
}

// LeafHash returns the hash of an entry as a leaf: SHA-256(0x00 ‖ entry).
func LeafHash(entry []byte) tlog.Hash { return tlog.RecordHash(entry) }

// root returns the root of the tree of p.Size leaves with leaf at p.Index. It
// refuses an index beyond the tree and a proof whose length does not match the
// tree.
func (p InclusionProof) root(leaf tlog.Hash) (tlog.Hash, error) {
	if p.Size > MaxSize || p.Index >= p.Size {
		return tlog.Hash{}, fmt.Errorf("leaf %d is not in a tree of %d", p.Index, p.Size)
	}
	// Below the level where the paths of the leaf and of the last leaf meet, a bit of the
	// index determines on which side a sibling is. Above, every sibling is on the left.
	inner := bits.Len64(p.Index ^ (p.Size - 1))
	border := bits.OnesCount64(p.Index >> inner)
	if len(p.Hashes) != inner+border {
		return tlog.Hash{}, fmt.Errorf("inclusion proof has %d hashes, want %d", len(p.Hashes), inner+border)
	}
	root := leaf
	for level, sibling := range p.Hashes {
		if level < inner && p.Index>>level&1 == 0 {
			root = tlog.NodeHash(root, sibling)
		} else {
			root = tlog.NodeHash(sibling, root)
		}
	}
	return root, nil
}

// Verify verifies that the proof leads from leaf to root. Errors match
// [ErrProof].
func (p InclusionProof) Verify(root, leaf tlog.Hash) error {
	computed, err := p.root(leaf)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	if computed != root {
		return fmt.Errorf("leaf %d of %d: %w", p.Index, p.Size, ErrProof)
	}
	return nil
}

// VerifyConsistency verifies that the tree of oldSize leaves is a prefix of the
// tree of newSize leaves (RFC 6962 §2.1.2). Trees of one size have equal roots
// and an empty proof. The empty tree is a prefix of every tree, with an empty
// proof. Errors match [ErrProof].
func VerifyConsistency(proof []tlog.Hash, oldSize uint64, oldRoot tlog.Hash, newSize uint64, newRoot tlog.Hash) error {
	if oldSize > newSize || newSize > MaxSize {
		return fmt.Errorf("a tree of %d leaves is not a prefix of a tree of %d: %w", oldSize, newSize, ErrProof)
	}
	if oldSize == 0 {
		empty, err := tlog.TreeHash(0, nil)
		if err != nil || oldRoot != empty || len(proof) != 0 || newSize == 0 && newRoot != empty {
			return fmt.Errorf("empty tree: %w", ErrProof)
		}
		return nil
	}
	if err := tlog.CheckTree(proof, int64(newSize), newRoot, int64(oldSize), oldRoot); err != nil {
		return fmt.Errorf("trees of %d and %d: %w", oldSize, newSize, ErrProof)
	}
	return nil
}
