// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// A model is a minimal log: its entries in memory, and the hashes that x/mod computes from
// them.
type model struct {
	entries []string
	indices map[string]uint64
	stored  []tlog.Hash
}

// ReadHashes implements tlog.HashReader.
func (m *model) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = m.stored[index]
	}
	return hashes, nil
}

func (m *model) append(t *testing.T, entry string) uint64 {
	if index, ok := m.indices[entry]; ok {
		return index
	}
	index := uint64(len(m.entries))
	hashes, err := tlog.StoredHashes(int64(index), []byte(entry), m)
	if err != nil {
		t.Fatal(err)
	}
	m.stored = append(m.stored, hashes...)
	m.entries = append(m.entries, entry)
	m.indices[entry] = index
	return index
}

// step does the same operation on log and model.
func (m *model) step(t *testing.T, l *tilelog.Log, random *rand.Rand) {
	entry := fmt.Sprint("entry ", len(m.entries))
	if len(m.entries) > 0 && random.IntN(3) == 0 {
		entry = m.entries[random.IntN(len(m.entries))]
	}
	switch random.IntN(20) {
	case 0:
		m.checkTile(t, l, random)
	case 1:
		time.Sleep(tilelog.PublishInterval)
	default:
		want := m.append(t, entry)
		r := mustAppend(t, l, entry)
		root, err := tlog.TreeHash(int64(len(m.entries)), m)
		if err != nil || r.Index != want || r.Size != uint64(len(m.entries)) || r.Root != root {
			t.Fatalf("%q is %d of %d, want %d of %d; root %v, want %v, %v", entry, r.Index, r.Size, want, len(m.entries), r.Root, root, err)
		}
	}
}

// checkTile reads a random tile that the log has published.
func (m *model) checkTile(t *testing.T, l *tilelog.Log, random *rand.Rand) {
	size := l.Published()
	if size == 0 {
		return
	}
	n := random.Uint64N(size) / tile.Width
	width := 1 + random.IntN(tilelog.TileWidth(0, n, size))
	hashes, err := l.ReadTile(0, n, width)
	if err != nil {
		t.Fatal(err)
	}
	want, err := tlog.ReadTileData(tlog.Tile{H: tilelog.TileHeight, N: int64(n), W: width}, m)
	if err != nil || string(hashes) != string(want) {
		t.Fatalf("tile %d of width %d is not the model's: %v", n, width, err)
	}
	raw, err := l.ReadTile(tile.LevelEntries, n, width)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := tile.SplitEntries(raw)
	if err != nil || len(entries) != width {
		t.Fatalf("bundle %d of width %d: %d entries, %v", n, width, len(entries), err)
	}
	for i, entry := range entries {
		if string(entry) != m.entries[n*tile.Width+uint64(i)] {
			t.Fatalf("entry %d of bundle %d is %q", i, n, entry)
		}
	}
}

// TestModel checks that random operations have the same effect on the log and on the model:
// new and repeated entries, reads, and every way to end a process.
func TestModel(t *testing.T) {
	t.Parallel()
	steps := testkit.Rounds(1000, 1_000_000)
	random := rand.New(rand.NewPCG(uint64(steps), 2))
	disk := disktest.New(uint64(steps))
	o := testOptions(t, "/log")
	o.FS = disk
	m := &model{indices: map[string]uint64{}}
	lives := 0
	for done := 0; done < steps; lives++ {
		synctest.Test(t, func(t *testing.T) {
			l := mustOpen(t, o)
			for range 1 + random.IntN(2000) {
				m.step(t, l, random)
				done++
			}
			if random.IntN(2) == 0 {
				disk.Stop(1)
			}
			l.Close(t.Context())
		})
		disk.PowerFailed()
	}
	t.Logf("%d steps in %d lives, %d entries", steps, lives, len(m.entries))
}
