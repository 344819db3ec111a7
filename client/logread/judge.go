// SPDX-License-Identifier: Apache-2.0

package logread

import (
	"cmp"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

// judge decides every doubt, from the root down: of two forms of a tile, the
// right one leads to the tile above.
func (c *checker) judge() {
	c.judgeEdge()
	places := make([]position, 0, len(c.doubts))
	for at := range c.doubts {
		places = append(places, at)
	}
	slices.SortFunc(places, func(a, b position) int { return cmp.Or(b.level-a.level, cmp.Compare(a.n, b.n)) })
	for _, at := range places {
		d := c.doubts[at]
		if at.width(c.head.Size) == tile.Width {
			above := c.hashes(position{at.level + 1, at.n / tile.Width})[at.n%tile.Width]
			for _, form := range [][]tlog.Hash{d.derived, d.stored} {
				if d.right == nil && form != nil && rootOf(form) == above {
					d.right = form
				}
			}
		}
		c.accuse(at, d)
	}
}

// accuse adds findings for the wrong files, given the right hashes.
func (c *checker) accuse(at position, d *doubt) {
	width := at.width(c.head.Size)
	path, entries := tile.Path(at.level, at.n, width), tile.Path(c.head.Format.level, at.n, width)
	if d.stored != nil && !slices.Equal(d.stored, d.right) {
		c.find(path, Damaged, "it does not lead to the root")
	}
	if d.derived == nil || slices.Equal(d.derived, d.right) {
		return
	}
	if at.level == 0 {
		c.find(entries, Damaged, "%s is not the one in the tree", leafName(at.n*tile.Width+uint64(firstDifference(d.derived, d.right))))
		return
	}
	for i := range min(len(d.derived), len(d.right)) {
		below := position{at.level - 1, at.n*tile.Width + uint64(i)}
		if d.derived[i] == d.right[i] || c.doubts[below] != nil {
			continue
		}
		c.find(tile.Path(below.level, below.n, tile.Width), Damaged, "it does not lead to the root")
		if below.level == 0 {
			c.find(tile.Path(c.head.Format.level, below.n, tile.Width), Damaged, "its entries are not those in the tree")
		}
	}
}

func firstDifference(a, b []tlog.Hash) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return 0
}

// hashes returns the hashes of a tile, as far as they are known.
func (c *checker) hashes(at position) []tlog.Hash {
	if d := c.doubts[at]; d != nil && d.right != nil {
		return d.right
	}
	if at.level == 0 {
		return c.edge
	}
	return c.levels[at.level][at.n*tile.Width:][:at.width(c.head.Size)]
}

// judgeEdge decides the doubts about partial tiles, which have no tile above
// them: all of them together must lead to the root.
func (c *checker) judgeEdge() {
	if c.head.Size == 0 {
		return
	}
	var places []position
	var doubtful []*doubt
	for level := len(c.levels) - 1; level >= 0; level-- {
		at := position{level, c.head.Size >> (8 * level) / tile.Width}
		if at.width(c.head.Size) == 0 {
			continue
		}
		places = append(places, at)
		if d := c.doubts[at]; d != nil {
			doubtful = append(doubtful, d)
		}
	}
	for choice := range 1 << len(doubtful) {
		for i, d := range doubtful {
			if d.right = d.derived; d.derived == nil || d.stored != nil && choice>>i&1 == 1 {
				d.right = d.stored
			}
		}
		if c.edgeRoot(places) == c.head.Root {
			return
		}
	}
	for _, d := range doubtful {
		d.right = nil
	}
	c.find("checkpoint", Damaged, "the entries do not lead to its root %v of %d entries", c.head.Root, c.head.Size)
}

// edgeRoot computes the root from the partial tiles, highest first. It returns
// zero if one of them is not known.
func (c *checker) edgeRoot(places []position) tlog.Hash {
	var roots []tlog.Hash // of complete subtrees, from the left
	for _, at := range places {
		hashes := c.hashes(at)
		width := at.width(c.head.Size)
		if len(hashes) != width {
			return tlog.Hash{}
		}
		for half := tile.Width / 2; half > 0; half /= 2 {
			if width&half != 0 {
				roots = append(roots, rootOf(hashes[:half]))
				hashes = hashes[half:]
			}
		}
	}
	root := roots[len(roots)-1]
	for _, left := range slices.Backward(roots[:len(roots)-1]) {
		root = tlog.NodeHash(left, root)
	}
	return root
}
