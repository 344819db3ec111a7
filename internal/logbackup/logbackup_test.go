// SPDX-License-Identifier: Apache-2.0

package logbackup

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/internal/tilelog/posix"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

const origin = "log.example.com"

// logKey returns the key of the log called origin. Other logs have other seeds.
func logKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func testLog(t testing.TB, seed byte) Log {
	t.Helper()
	verifier, err := checkpoint.NewVerifier(origin, logKey(seed).Public())
	if err != nil {
		t.Fatal(err)
	}
	return Log{Origin: origin, Verifiers: []note.Verifier{verifier}, Format: tilelog.EntryBundles()}
}

// serve opens a log to append to.
func serve(t testing.TB, fsys durable.FS, dir string, seed byte) *tilelog.Log {
	t.Helper()
	signer, err := checkpoint.NewSigner(origin, logKey(seed))
	if err != nil {
		t.Fatal(err)
	}
	l, err := tilelog.Open(tilelog.Options{
		Storage: posix.Storage(posix.Options{Dir: dir, FS: fsys}), Origin: origin, Signers: []note.Signer{signer}, Verifiers: testLog(t, seed).Verifiers,
		Format: tilelog.EntryBundles(), Dedup: true, Clock: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(context.Background()) })
	return l
}

func mustClose(t testing.TB, l *tilelog.Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func entry(i int) []byte { return fmt.Appendf(nil, "entry %d", i) }

// grow appends entries from..to to the log in dir, and publishes them.
func grow(t testing.TB, fsys durable.FS, dir string, seed byte, from, to int) {
	t.Helper()
	l := serve(t, fsys, dir, seed)
	work := make(chan int)
	errs := make(chan error, 64)
	for range cap(errs) {
		go func() {
			var err error
			for i := range work {
				_, one := l.Append(context.Background(), tilelog.Pending{Entry: entry(i)})
				err = errors.Join(err, one)
			}
			errs <- err
		}()
	}
	for i := from; i < to; i++ {
		work <- i
	}
	close(work)
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, l)
}

func mustOpen(t testing.TB, fsys durable.FS, dir string) *Tree {
	t.Helper()
	tree, err := Open(fsys, dir, testLog(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func mustBackup(t testing.TB, fsys durable.FS, from, to string) Summary {
	t.Helper()
	s, err := Backup(t.Context(), mustOpen(t, fsys, from), fsys, to, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// check makes the tree in dir anew out of its entries alone, and holds all files
// against it. It gives the entries.
func check(t testing.TB, fsys durable.FS, dir string) [][]byte {
	t.Helper()
	head := mustOpen(t, fsys, dir).Head
	read := func(path string) []byte {
		content, err := durable.ReadFile(fsys, filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	var stored []tlog.Hash
	hashes := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var all []tlog.Hash
		for _, index := range indexes {
			all = append(all, stored[index])
		}
		return all, nil
	})
	var entries [][]byte
	for n := uint64(0); n*tile.Width < head.Size; n++ {
		split, err := tile.SplitEntries(read(tile.Path(tile.LevelEntries, n, int(min(head.Size-n*tile.Width, tile.Width)))))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, split...)
	}
	for i, one := range entries {
		more, err := tlog.StoredHashes(int64(i), one, hashes)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
	}
	if root, err := tlog.TreeHash(int64(len(entries)), hashes); err != nil || uint64(len(entries)) != head.Size || root != head.Root {
		t.Fatalf("%d entries with root %v, %v, under a checkpoint of %d with %v", len(entries), root, err, head.Size, head.Root)
	}
	for _, one := range tlog.NewTiles(tileHeight, 0, int64(head.Size)) {
		want, err := tlog.ReadTileData(one, hashes)
		if err != nil {
			t.Fatal(err)
		}
		if path := tile.Path(one.L, uint64(one.N), one.W); !bytes.Equal(read(path), want) {
			t.Fatalf("%s is another", path)
		}
	}
	return entries
}

// files returns the contents of a directory's files, by path.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all[path[len(dir)+1:]] = string(content)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

func TestSizes(t *testing.T) {
	dir := t.TempDir()
	log, target := filepath.Join(dir, "log"), filepath.Join(dir, "backup")
	last := 0
	for _, size := range []int{0, 1, 2, 255, 256, 257, 511, 512, 700, 65535, 65536, 65537, 66000} {
		if size > 1000 && size != 65537 && !testkit.Nightly() {
			continue
		}
		grow(t, durable.OS{}, log, 1, last, size)
		s := mustBackup(t, durable.OS{}, log, target)
		if entries := check(t, durable.OS{}, target); len(entries) != size || s.Size != uint64(size) {
			t.Fatalf("%d entries are backed up of %d, %+v", len(entries), size, s)
		}
		// What is there is what a log of the size has, and nothing else.
		tiles := len(tlog.NewTiles(tileHeight, 0, int64(size))) + (size+255)/256
		if got := len(files(t, target)); got != tiles+2 { // checkpoint, lock
			t.Errorf("%d entries: %d files, want %d tiles and 2 more", size, got, tiles)
		}
		// Only what is new was written: the tiles from the last backup's edge on.
		if want := len(tlog.NewTiles(tileHeight, int64(last), int64(size))) + (size+255)/256 - last/256; s.Copied != want && size > last || s.Copied+s.Skipped != tiles {
			t.Errorf("%d entries: %d copied, want %d; %d skipped, of %d", size, s.Copied, want, s.Skipped, tiles)
		}
		if again := mustBackup(t, durable.OS{}, log, target); again.Copied != 0 || again.Skipped != tiles {
			t.Errorf("%d entries, again: %+v", size, again)
		}
		last = size
	}
}

// TestRestore checks that the log engine opens a restored backup and appends to it.
func TestRestore(t *testing.T) {
	dir := t.TempDir()
	log, target, restored := filepath.Join(dir, "log"), filepath.Join(dir, "backup"), filepath.Join(dir, "restored")
	grow(t, durable.OS{}, log, 1, 0, 700)
	mustBackup(t, durable.OS{}, log, target)
	entries := check(t, durable.OS{}, target)
	s, err := Restore(t.Context(), mustOpen(t, durable.OS{}, target), restored, isNewest, Options{})
	if err != nil || s.Size != 700 {
		t.Fatal(s, err)
	}
	l := serve(t, durable.OS{}, restored, 1)
	for _, index := range []int{0, 333, 699} {
		r, err := l.Append(t.Context(), tilelog.Pending{Entry: entries[index]})
		if err != nil || r.Index != uint64(index) {
			t.Errorf("entry %d is given %d, %v", index, r.Index, err)
		}
	}
	if r, err := l.Append(t.Context(), tilelog.Pending{Entry: entry(700)}); err != nil || r.Index != 700 {
		t.Errorf("the next entry is given %d, %v", r.Index, err)
	}
	mustClose(t, l)
	check(t, durable.OS{}, restored)
	// The old backup is a beginning of what goes on.
	if s := mustBackup(t, durable.OS{}, restored, target); s.Size != 701 {
		t.Errorf("%+v", s)
	}
	if _, err := Restore(t.Context(), mustOpen(t, durable.OS{}, target), restored, isNewest, Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("restored over a log: %v", err)
	}
}

func TestFollows(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	heads := make(map[int]checkpoint.Checkpoint)
	for last, size := range []int{0, 300, 700} {
		grow(t, durable.OS{}, one, 1, []int{0, 0, 300}[last], size)
		heads[size] = mustOpen(t, durable.OS{}, one).Head
	}
	tree := mustOpen(t, durable.OS{}, one)
	for size, head := range heads {
		if err := tree.Follows(t.Context(), head); err != nil {
			t.Errorf("%d: %v", size, err)
		}
		if size == 0 {
			continue
		}
		proof, err := tree.Prove(t.Context(), uint64(size))
		if err == nil {
			err = tile.VerifyConsistency(proof, head.Size, head.Root, tree.Head.Size, tree.Head.Root)
		}
		if err != nil {
			t.Errorf("proof from %d: %v", size, err)
		}
	}
	grow(t, durable.OS{}, two, 1, 1000, 1300)
	for name, head := range map[string]checkpoint.Checkpoint{
		"another root": {Origin: origin, Size: 300, Root: tlog.Hash{1}},
		"beyond it":    {Origin: origin, Size: 701, Root: tree.Head.Root},
		"a fork":       mustOpen(t, durable.OS{}, two).Head,
	} {
		if err := tree.Follows(t.Context(), head); !errors.Is(err, ErrOtherLog) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTargetRefused(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	grow(t, durable.OS{}, log, 1, 0, 300)
	for name, c := range map[string]struct {
		make func(t *testing.T, target string)
		want error
	}{
		"a log of another key": {func(t *testing.T, target string) {
			grow(t, durable.OS{}, target, 2, 0, 10)
			os.Remove(filepath.Join(target, "journal"))
			os.RemoveAll(filepath.Join(target, "leaves"))
		}, ErrOtherLog},
		"another log of the key": {func(t *testing.T, target string) {
			grow(t, durable.OS{}, filepath.Join(dir, "two"), 1, 1000, 1010)
			mustBackup(t, durable.OS{}, filepath.Join(dir, "two"), target)
		}, ErrOtherLog},
		"a later one": {func(t *testing.T, target string) {
			os.CopyFS(filepath.Join(dir, "later"), os.DirFS(log))
			grow(t, durable.OS{}, filepath.Join(dir, "later"), 1, 300, 301)
			mustBackup(t, durable.OS{}, filepath.Join(dir, "later"), target)
		}, ErrOtherLog},
		"the log":    {func(t *testing.T, target string) { os.CopyFS(target, os.DirFS(log)) }, fs.ErrExist},
		"other data": {func(t *testing.T, target string) { os.CopyFS(target, os.DirFS(".")) }, fs.ErrExist},
		"a backup that is being made": {func(t *testing.T, target string) {
			os.Mkdir(target, 0o755)
			lock, err := durable.Lock(filepath.Join(target, "lock"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { lock.Close() })
		}, durable.ErrLocked},
	} {
		t.Run(name, func(t *testing.T) {
			target := filepath.Join(t.TempDir(), "target")
			c.make(t, target)
			before := files(t, target)
			_, err := Backup(t.Context(), mustOpen(t, durable.OS{}, log), durable.OS{}, target, Options{})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			after := files(t, target)
			delete(before, "lock")
			delete(after, "lock")
			if fmt.Sprint(before) != fmt.Sprint(after) {
				t.Error("the target has changed")
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(durable.OS{}, dir, testLog(t, 1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory: %v", err)
	}
	grow(t, durable.OS{}, dir, 1, 0, 1)
	if _, err := Open(durable.OS{}, dir, testLog(t, 2)); !errors.Is(err, ErrOtherLog) {
		t.Errorf("another key: %v", err)
	}
	other := testLog(t, 1)
	other.Origin = "other.example.com"
	if _, err := Open(durable.OS{}, dir, other); !errors.Is(err, ErrOtherLog) {
		t.Errorf("another origin: %v", err)
	}
}

// isNewest accepts every backup as the newest.
func isNewest(context.Context, *Tree) error { return nil }

// TestNotNewest checks that nothing is restored if the log was seen with more entries.
func TestNotNewest(t *testing.T) {
	dir := t.TempDir()
	log, restored := filepath.Join(dir, "log"), filepath.Join(dir, "restored")
	grow(t, durable.OS{}, log, 1, 0, 10)
	want := errors.New("a witness has seen 11")
	_, err := Restore(t.Context(), mustOpen(t, durable.OS{}, log), restored, func(_ context.Context, tree *Tree) error {
		if tree.Head.Size != 10 {
			t.Errorf("asked about %d entries", tree.Head.Size)
		}
		return want
	}, Options{})
	if !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(restored); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
