// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// mustProve gets proofs for an entry and for a prefix of the log, and verifies both.
func mustProve(t *testing.T, l *tilelog.Log, index, size uint64) {
	t.Helper()
	entry, err := l.Entry(t.Context(), index)
	if err != nil || string(entry) != fmt.Sprint("entry ", index) {
		t.Fatalf("entry %d is %q, %v", index, entry, err)
	}
	root, err := l.RootAt(size)
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.ProveInclusion(t.Context(), index, size)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(root, tile.LeafHash(entry)); err != nil || p.Index != index || p.Size != size {
		t.Fatalf("entry %d of %d: %v", index, size, err)
	}
	old, err := l.RootAt(index)
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := l.ProveConsistency(t.Context(), index, size)
	if err != nil {
		t.Fatal(err)
	}
	if index > 0 {
		if err := tlog.CheckTree(hashes, int64(size), root, int64(index), old); err != nil {
			t.Fatalf("%d of %d: %v", index, size, err)
		}
	}
}

// checkReads reads a log of size entries in every way, and beyond its end.
func checkReads(t *testing.T, l *tilelog.Log, size uint64) {
	t.Helper()
	for _, index := range []uint64{0, 1, 255, 256, 257, size - 1} {
		mustProve(t, l, index, size)
		mustProve(t, l, index, max(index+1, size/2))
	}
	for _, from := range []uint64{0, 1, 255, 256, size - 1, size} {
		index := from
		for entry, err := range l.Entries(t.Context(), from) {
			if err != nil || string(entry) != fmt.Sprint("entry ", index) {
				t.Fatalf("from %d: entry %d is %q, %v", from, index, entry, err)
			}
			index++
		}
		if index != size {
			t.Errorf("from %d: ends at %d of %d", from, index, size)
		}
	}
	_, entry := l.Entry(t.Context(), size)
	_, inclusion := l.ProveInclusion(t.Context(), size, size)
	_, later := l.ProveInclusion(t.Context(), 0, size+1)
	_, consistency := l.ProveConsistency(t.Context(), size, size+1)
	_, backwards := l.ProveConsistency(t.Context(), 2, 1)
	for _, err := range l.Entries(t.Context(), size+1) {
		entry = errors.Join(entry, err)
	}
	for _, err := range []error{entry, inclusion, later, consistency, backwards} {
		if !errors.Is(err, tilelog.ErrRange) {
			t.Errorf("beyond the end: %v", err)
		}
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	const size = 600
	for i := range size {
		mustAppend(t, l, fmt.Sprint("entry ", i))
	}
	if err := l.Wait(t.Context(), size); err != nil {
		t.Fatal(err)
	}
	checkReads(t, l, size)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, entry := l.ProveInclusion(gone, 0, 1)
	_, consistency := l.ProveConsistency(gone, 1, 2)
	iteration := error(nil)
	for _, err := range l.Entries(gone, 0) {
		iteration = err
	}
	for _, err := range []error{entry, consistency, iteration, l.Wait(gone, size+1)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
	}
	mustClose(t, l)
	checkReads(t, l, size) // a closed log can be read
	if err := tilelog.Freeze(t.Context(), o.tilelog()); err != nil {
		t.Fatal(err)
	}
	frozen, err := tilelog.Frozen(o.tilelog())
	if err != nil {
		t.Fatal(err)
	}
	checkReads(t, frozen, size)
	if _, err := frozen.Append(t.Context(), tilelog.Pending{Entry: []byte("late")}); !errors.Is(err, tilelog.ErrFrozen) {
		t.Errorf("Append: %v", err)
	}
	if err := errors.Join(frozen.Wait(t.Context(), size), frozen.Close(t.Context())); err != nil {
		t.Error(err)
	}
	if err := frozen.Wait(t.Context(), size+1); !errors.Is(err, tilelog.ErrFrozen) {
		t.Errorf("Wait: %v", err)
	}
}

// TestFollow checks that a reader can follow a growing log, and that entries are published
// when it reads them.
func TestFollow(t *testing.T) {
	t.Parallel()
	l := mustOpen(t, testOptions(t, t.TempDir()))
	const size = 700
	go func() {
		for i := range size {
			if _, err := l.Append(t.Context(), tilelog.Pending{Entry: fmt.Append(nil, "entry ", i)}); err != nil {
				t.Error(err)
			}
		}
	}()
	for at := uint64(0); at < size; {
		if err := l.Wait(t.Context(), at+1); err != nil {
			t.Fatal(err)
		}
		c, _, err := checkpoint.Open(body(t, get(t, l, "/checkpoint")), verifiers(t)...)
		if err != nil || c.Size <= at {
			t.Fatalf("readers see %d entries, %v", c.Size, err)
		}
		for entry, err := range l.Entries(t.Context(), at) {
			if err != nil || string(entry) != fmt.Sprint("entry ", at) {
				t.Fatalf("entry %d is %q, %v", at, entry, err)
			}
			at++
		}
		mustProve(t, l, at-1, at)
	}
}

// TestWait checks that Wait ends when the log does, and not at an error that the log recovers
// from.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := disktest.New(1)
		o := testOptions(t, "/log")
		o.FS = disk
		l := mustOpen(t, o)
		mustAppend(t, l, "entry 0")
		reached, never := make(chan error, 1), make(chan error, 1)
		go func() { reached <- l.Wait(t.Context(), 2) }()
		go func() { never <- l.Wait(t.Context(), 3) }()
		disk.Fail(func(op disktest.Operation) error {
			if op.Changes() {
				return errors.New("disk is away")
			}
			return nil
		})
		if _, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("entry 1")}); !errors.Is(err, tilelog.ErrFailed) {
			t.Errorf("Append: %v", err)
		}
		time.Sleep(time.Minute)
		disk.Fail(nil)
		time.Sleep(2 * tilelog.LastRetry)
		mustAppend(t, l, "entry 1")
		if err := <-reached; err != nil {
			t.Error(err)
		}
		mustClose(t, l)
		if err := <-never; !errors.Is(err, tilelog.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestDamagedReads checks that damaged entries are not returned, and that no proof is made of
// them.
func TestDamagedReads(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{"hashes": "tile/0/000", "entries": "tile/entries/000"} {
		o := testOptions(t, t.TempDir())
		l := mustOpen(t, o)
		history(t, l, 300)
		if err := l.Wait(t.Context(), 300); err != nil {
			t.Fatal(err)
		}
		mustClose(t, l)
		path := filepath.Join(o.Dir, damage)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raw[5] ^= 1 // of the first hash, or entry
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		l = mustOpen(t, o)
		if entry, err := l.Entry(t.Context(), 0); err == nil {
			t.Errorf("%s: read %q", name, entry)
		}
		for _, err = range l.Entries(t.Context(), 0) {
			if err == nil {
				t.Errorf("%s: iterated", name)
			}
			break
		}
		_, err = l.ProveInclusion(t.Context(), 1, 300)
		if damage == "tile/0/000" && !errors.Is(err, tile.ErrProof) {
			t.Errorf("%s: proved: %v", name, err)
		}
	}
}
