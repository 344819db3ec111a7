// SPDX-License-Identifier: Apache-2.0

package logread

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

// TestDoubtsBounded checks that the number of kept tiles is bounded in a log in which no tile
// is right.
func TestDoubtsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "tile", "0", "000")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, maxTile), 0o644); err != nil {
		t.Fatal(err)
	}
	c := &checker{ctx: t.Context(), log: &Log{Source: Dir(dir)}, doubts: map[position]*doubt{}, head: new(Head)}
	c.head.Size = tile.Width
	for n := range uint64(maxFindings) {
		c.doubts[position{0, n + 1}] = new(doubt)
	}
	derived := make([]tlog.Hash, tile.Width)
	derived[0][0] = 1
	if got, err := c.compare(position{}, derived); err != nil || got[0] != derived[0] {
		t.Errorf("%v, %v", got[0], err)
	}
	if len(c.doubts) != maxFindings || c.dropped != 1 {
		t.Errorf("%d tiles in doubt, %d dropped", len(c.doubts), c.dropped)
	}
}
