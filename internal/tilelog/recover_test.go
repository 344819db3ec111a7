// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/internal/tilelog/posix"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// writeJournal makes batches the journal of a closed log.
func writeJournal(t *testing.T, dir string, batches ...tilelog.Promised) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, "journal")); err != nil {
		t.Fatal(err)
	}
	j, err := posix.Storage(posix.Options{Dir: dir}).Journal(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	turn, err := j.Turn(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range batches {
		if err := turn.Commit(p, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// history appends n entries one by one and returns their journal records.
func history(t *testing.T, l *tilelog.Log, n int) []tilelog.Promised {
	t.Helper()
	var records []tilelog.Promised
	for i := range n {
		entry := fmt.Sprint("entry ", i)
		r := mustAppend(t, l, entry)
		records = append(records, tilelog.Promised{Base: r.Index, Checkpoint: r.Checkpoint, Entries: [][]byte{[]byte(entry)}})
	}
	return records
}

func TestReplay(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	records := history(t, l, 3)
	mustClose(t, l)
	behind := copyDir(t, o.Dir) // a log of 3 entries
	l = mustOpen(t, o)
	records = append(records, history(t, l, 5)[3:]...)
	mustClose(t, l)

	otherRoot := records[3]
	otherRoot.Entries = [][]byte{[]byte("never signed")}
	resigned, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: origin, Size: 9, Root: tlog.Hash{}}, o.Signers...)
	if err != nil {
		t.Fatal(err)
	}
	otherSize := tilelog.Promised{Base: 3, Checkpoint: resigned, Entries: records[3].Entries}
	unsigned := tilelog.Promised{Base: 3, Checkpoint: []byte("unsigned"), Entries: records[3].Entries}
	for name, c := range map[string]struct {
		journal []tilelog.Promised
		size    uint64
		refusal string
	}{
		"nothing":               {nil, 3, ""},
		"published already":     {records[:3], 3, ""},
		"the next":              {records[3:], 5, ""},
		"all":                   {records, 5, ""},
		"the next, then old":    {append(records[3:4:4], records[0], records[2]), 4, ""},
		"a gap":                 {records[4:], 0, "journal goes on at 4, the log ends at 3"},
		"another entry":         {[]tilelog.Promised{otherRoot}, 0, "is not the checkpoint's"},
		"checkpoint of 9":       {[]tilelog.Promised{otherSize}, 0, "checkpoint of size 9"},
		"unsigned":              {[]tilelog.Promised{unsigned}, 0, "malformed note"},
		"overlapping the end":   {[]tilelog.Promised{{Base: 2, Checkpoint: records[3].Checkpoint, Entries: make([][]byte, 2)}}, 0, "journal goes on at 2"},
		"entry of absurd width": {[]tilelog.Promised{{Base: 3, Checkpoint: records[3].Checkpoint, Entries: [][]byte{make([]byte, tilelog.MaxEntry+1)}}}, 0, "longer than"},
	} {
		crashed := o
		crashed.Dir = copyDir(t, behind)
		writeJournal(t, crashed.Dir, c.journal...)
		l, err := open(crashed)
		if c.refusal != "" {
			if err == nil || !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || l.Size() != c.size || l.Published() != c.size {
			t.Errorf("%s: %v", name, err)
			continue
		}
		mustClose(t, l)
		if entries := checkDir(t, crashed.Dir); string(entries[c.size-1]) != fmt.Sprint("entry ", c.size-1) {
			t.Errorf("%s: %q", name, entries)
		}
	}
}

// TestDamagedJournal checks that the log does not continue without a promised batch that the
// disk has damaged and that other batches follow.
func TestDamagedJournal(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	records := history(t, l, 1)
	mustClose(t, l)
	crashed := o
	crashed.Dir = copyDir(t, o.Dir)
	l = mustOpen(t, o)
	records = history(t, l, 4)[len(records):]
	mustClose(t, l)
	writeJournal(t, crashed.Dir, records...)
	path := filepath.Join(crashed.Dir, "journal")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[bytes.Index(raw, []byte("entry 2"))] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(crashed); err == nil || !strings.Contains(err.Error(), "journal goes on at 3, the log ends at 2") {
		t.Errorf("opened: %v", err)
	}
}

// TestCreateRefuses checks that no new log is created in a directory that had one.
func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	records := history(t, l, 1)
	mustClose(t, l)
	for _, lost := range [][]string{{"checkpoint"}, {"checkpoint", "tile"}} {
		damaged := o
		damaged.Dir = copyDir(t, o.Dir)
		writeJournal(t, damaged.Dir, records...)
		for _, name := range lost {
			if err := os.RemoveAll(filepath.Join(damaged.Dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := open(damaged); !errors.As(err, new(*tilelog.Lost)) {
			t.Errorf("without %v: %v", lost, err)
		}
	}
}

// TestLostDirectory checks that no new log is created when the directory is gone, or empty as
// a mount point is, neither by Open nor when the log reopens after an error.
func TestLostDirectory(t *testing.T) {
	t.Parallel()
	o := testOptions(t, filepath.Join(t.TempDir(), "log"))
	l := mustOpen(t, o)
	mustAppend(t, l, "entry 0")
	mustClose(t, l)
	kept := copyDir(t, o.Dir)
	for name, lose := range map[string]func() error{
		"gone":  func() error { return os.RemoveAll(o.Dir) },
		"empty": func() error { return errors.Join(os.RemoveAll(o.Dir), os.Mkdir(o.Dir, 0o755)) },
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		if _, err := open(o); !errors.As(err, new(*tilelog.Lost)) {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := os.ReadDir(o.Dir); len(left) > 0 {
			t.Errorf("%s: %v is in the way of restoring it", name, left)
		}
	}
	if err := errors.Join(os.RemoveAll(o.Dir), os.CopyFS(o.Dir, os.DirFS(kept))); err != nil {
		t.Fatal(err)
	}
	if r := mustAppend(t, mustOpen(t, o), "entry 1"); r.Index != 1 {
		t.Errorf("restored, it goes on at %d", r.Index)
	}
}

// TestTemporaryFilesCleared checks that files left half-written by a crash are removed.
func TestTemporaryFilesCleared(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	mustClose(t, mustOpen(t, o))
	left := filepath.Join(o.Dir, "tmp", ".tmp-123")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, o))
	if _, err := os.Stat(left); err == nil {
		t.Error("still there")
	}
}

func TestNewTiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		last, size uint64
		want       string
	}{
		{0, 0, ""},
		{0, 1, "tile/entries/000.p/1 tile/0/000.p/1"},
		{5, 5, ""},
		{255, 256, "tile/entries/000 tile/0/000 tile/1/000.p/1"},
		{256, 257, "tile/entries/001.p/1 tile/0/001.p/1"},
		{250, 770, "tile/entries/000 tile/entries/001 tile/entries/002 tile/entries/003.p/2 tile/0/000 tile/0/001 tile/0/002 tile/0/003.p/2 tile/1/000.p/3"},
		{65535, 65536, "tile/entries/255 tile/0/255 tile/1/000 tile/2/000.p/1"},
	} {
		if got := strings.Join(tilelog.NewTiles(c.last, c.size, tile.LevelEntries), " "); got != c.want {
			t.Errorf("from %d to %d: %s, want %s", c.last, c.size, got, c.want)
		}
	}
}
