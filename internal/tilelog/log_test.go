// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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

func TestMain(m *testing.M) { testkit.Parallel(m) }

const origin = "log.example.com"

// options holds the settings of a log in a directory.
type options struct {
	tilelog.Options
	Dir   string
	FS    durable.FS
	Notes []string
}

func (o options) tilelog() tilelog.Options {
	if o.Storage.Name == "" {
		o.Storage = posix.Storage(posix.Options{Dir: o.Dir, FS: o.FS, Notes: o.Notes})
	}
	return o.Options
}

func open(o options) (*tilelog.Log, error) { return tilelog.Open(o.tilelog()) }

// testOptions returns options with the same key each time.
func testOptions(t testing.TB, dir string) options {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	signer, err := checkpoint.NewSigner(origin, key)
	if err != nil {
		t.Fatal(err)
	}
	return options{Dir: dir, Options: tilelog.Options{
		Origin: origin, Signers: []note.Signer{signer}, Verifiers: verifiers(t),
		Format: tilelog.EntryBundles(), Dedup: true, Clock: time.Now, Logger: slog.New(slog.DiscardHandler),
	}}
}

func verifiers(t testing.TB) []note.Verifier {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	verifier, err := checkpoint.NewVerifier(origin, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return []note.Verifier{verifier}
}

func mustOpen(t testing.TB, o options) *tilelog.Log {
	t.Helper()
	l, err := open(o)
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

// mustAppend appends an entry and verifies everything that the receipt claims.
func mustAppend(t testing.TB, l *tilelog.Log, entry string) tilelog.Receipt {
	t.Helper()
	r, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte(entry)})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := checkpoint.Open(r.Checkpoint, verifiers(t)...)
	if err != nil {
		t.Fatal(err)
	}
	if c.Origin != origin || c.Size != r.Size || c.Root != r.Root || r.Proof.Index != r.Index || r.Proof.Size != r.Size {
		t.Fatalf("receipt %+v with checkpoint %+v", r, c)
	}
	if err := r.Proof.Verify(c.Root, tile.LeafHash([]byte(entry))); err != nil {
		t.Fatal(err)
	}
	return r
}

// checkDir verifies the whole directory of a closed log from its entries, with
// x/mod/sumdb/tlog as the oracle, and returns the entries.
func checkDir(t testing.TB, dir string) [][]byte { return checkOn(t, durable.OS{}, dir) }

func checkOn(t testing.TB, fsys durable.FS, dir string) [][]byte {
	t.Helper()
	envelope, err := durable.ReadFile(fsys, filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := checkpoint.Open(envelope, testOptions(t, dir).Verifiers...)
	if err != nil {
		t.Fatal(err)
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, index := range indexes {
			hashes = append(hashes, stored[index])
		}
		return hashes, nil
	})
	var entries [][]byte
	for n := uint64(0); n*tile.Width < c.Size; n++ {
		path := tile.Path(tile.LevelEntries, n, tilelog.TileWidth(0, n, c.Size))
		raw, err := durable.ReadFile(fsys, filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		split, err := tile.SplitEntries(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range split {
			hashes, err := tlog.StoredHashes(int64(len(entries)), entry, reader)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, hashes...)
			entries = append(entries, entry)
		}
	}
	if root, err := tlog.TreeHash(int64(c.Size), reader); err != nil || root != c.Root {
		t.Fatalf("entries lead to another root than the checkpoint's: %v", err)
	}
	for _, tl := range tlog.NewTiles(tilelog.TileHeight, 0, int64(c.Size)) {
		want, err := tlog.ReadTileData(tl, reader)
		if err != nil {
			t.Fatal(err)
		}
		got, err := durable.ReadFile(fsys, filepath.Join(dir, tile.Path(tl.L, uint64(tl.N), tl.W)))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("tile %v: %v", tl, err)
		}
	}
	if uint64(len(entries)) != c.Size {
		t.Fatalf("%d entries, checkpoint says %d", len(entries), c.Size)
	}
	return entries
}

func TestAppendAndReopen(t *testing.T) {
	t.Parallel()
	o := testOptions(t, filepath.Join(t.TempDir(), "new", "log"))
	want := 0
	for _, size := range []int{0, 1, 2, 255, 256, 257, 511, 512, 700} {
		l := mustOpen(t, o)
		if l.Size() != uint64(want) {
			t.Fatalf("size %d after reopening, want %d", l.Size(), want)
		}
		for ; want < size; want++ {
			if r := mustAppend(t, l, fmt.Sprint("entry ", want)); r.Index != uint64(want) || r.Size != uint64(want+1) {
				t.Fatalf("receipt %+v for entry %d", r, want)
			}
		}
		mustClose(t, l)
		for i, entry := range checkDir(t, o.Dir) {
			if string(entry) != fmt.Sprint("entry ", i) {
				t.Fatalf("entry %d is %q", i, entry)
			}
		}
	}
}

// TestLargeLog uses 70,000 entries: tlog-tiles' example of a tree with partial tiles on three
// levels.
func TestLargeLog(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	const size = 70_000
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			for i := next.Add(1); i <= size; i = next.Add(1) {
				if _, err := l.Append(t.Context(), tilelog.Pending{Entry: fmt.Append(nil, i)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if r := mustAppend(t, l, "1"); r.Size != size || r.Index >= size {
		t.Errorf("duplicate of an early entry: %d of %d", r.Index, r.Size)
	}
	mustClose(t, l)
	checkDir(t, o.Dir)
	for _, path := range []string{"tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1", "tile/entries/273.p/112"} {
		if _, err := os.Stat(filepath.Join(o.Dir, path)); err != nil {
			t.Error(err)
		}
	}
	again := mustOpen(t, o)
	if r := mustAppend(t, again, "2"); r.Size != size {
		t.Errorf("a duplicate was appended after reopening, as %d", r.Index)
	}
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	first := mustAppend(t, l, "same")
	mustAppend(t, l, "other")
	again := mustAppend(t, l, "same")
	if again.Index != first.Index || again.Size != 2 {
		t.Errorf("again: index %d of %d", again.Index, again.Size)
	}
	var wg sync.WaitGroup
	var indices sync.Map
	for range 64 {
		wg.Go(func() {
			r, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("at once")})
			if err != nil {
				t.Error(err)
			}
			indices.Store(r.Index, true)
		})
	}
	wg.Wait()
	indices.Range(func(index, _ any) bool {
		if index != uint64(2) {
			t.Errorf("index %d", index)
		}
		return true
	})
	mustClose(t, l)
	if r := mustAppend(t, mustOpen(t, o), "same"); r.Index != first.Index || r.Size != 3 {
		t.Errorf("after reopening: index %d of %d", r.Index, r.Size)
	}
}

func TestNoDedup(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	o.Dedup = false
	l := mustOpen(t, o)
	if a, b := mustAppend(t, l, "same"), mustAppend(t, l, "same"); a.Index == b.Index {
		t.Error("deduplicated")
	}
}

func TestMake(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	at := time.UnixMilli(1764000000123)
	o.Clock = func() time.Time { return at }
	l := mustOpen(t, o)
	mustAppend(t, l, "entry 0")
	index := func(index uint64, now time.Time) ([]byte, error) {
		if !now.Equal(at) {
			t.Errorf("made at %v", now)
		}
		return fmt.Append(nil, "made as ", index), nil
	}
	r, err := l.Append(t.Context(), tilelog.Pending{Make: index})
	if err != nil || r.Index != 1 || !r.Timestamp.Equal(at) {
		t.Errorf("%+v, %v", r, err)
	}
	refuse := func(uint64, time.Time) ([]byte, error) { return nil, io.ErrUnexpectedEOF }
	if _, err := l.Append(t.Context(), tilelog.Pending{Make: refuse}); !errors.Is(err, tilelog.ErrEntry) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("refusing Make: %v", err)
	}
	mustClose(t, l)
	if entries := checkDir(t, o.Dir); len(entries) != 2 || string(entries[1]) != "made as 1" {
		t.Errorf("%q", entries)
	}
}

func TestEntryTooLong(t *testing.T) {
	t.Parallel()
	l := mustOpen(t, testOptions(t, t.TempDir()))
	if r := mustAppend(t, l, strings.Repeat("x", tile.MaxEntry)); r.Index != 0 {
		t.Errorf("index %d", r.Index)
	}
	for _, length := range []int{tile.MaxEntry + 1, tilelog.MaxEntry + 1} {
		if _, err := l.Append(t.Context(), tilelog.Pending{Entry: make([]byte, length)}); !errors.Is(err, tilelog.ErrEntry) {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
	if r := mustAppend(t, l, "next"); r.Index != 1 {
		t.Errorf("index %d after refusals", r.Index)
	}
}

func TestSecondOpenRefused(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	if _, err := open(o); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	mustClose(t, l)
	mustOpen(t, o)
}

func TestClose(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	var acknowledged, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := 0; ; j++ {
				_, err := l.Append(t.Context(), tilelog.Pending{Entry: fmt.Append(nil, i, j)})
				if errors.Is(err, tilelog.ErrClosed) {
					refused.Add(1)
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				acknowledged.Add(1)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	mustClose(t, l)
	wg.Wait()
	if refused.Load() != 64 {
		t.Errorf("%d of 64 were refused", refused.Load())
	}
	if n := len(checkDir(t, o.Dir)); int64(n) != acknowledged.Load() {
		t.Errorf("%d acknowledged, %d on disk", acknowledged.Load(), n)
	}
	mustClose(t, l)
}

// TestContextEnds checks that an entry is logged although its caller has gone.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	slow := func(index uint64, _ time.Time) ([]byte, error) {
		cancel()
		time.Sleep(10 * time.Millisecond)
		return []byte("slow"), nil
	}
	if _, err := l.Append(ctx, tilelog.Pending{Make: slow}); !errors.Is(err, context.Canceled) {
		t.Errorf("Append: %v", err)
	}
	if r := mustAppend(t, l, "slow"); r.Index != 0 || r.Size != 1 {
		t.Errorf("index %d of %d", r.Index, r.Size)
	}
}

func TestJournalWraps(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	entry := func(i int) string {
		return fmt.Sprint(i) + strings.Repeat("-", 60_000)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				mustAppend(t, l, entry(i*100+j))
			}
		})
	}
	wg.Wait()
	if info, err := os.Stat(filepath.Join(o.Dir, "journal")); err != nil || info.Size() > tilelog.MaxBacklog+8*70_000 {
		t.Errorf("journal has grown to %v, %v", info, err)
	}
	mustClose(t, l)
	checkDir(t, o.Dir)
}

// TestDiskFull checks a full disk during a write of the journal: every caller gets an error,
// no entry is promised, reads go on, and a restart recovers.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	mustAppend(t, l, "before")
	mustClose(t, l)
	journal := filepath.Join(o.Dir, "journal")
	if err := errors.Join(os.Remove(journal), os.Symlink("/dev/full", journal)); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, o)
	for range 3 {
		_, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("x")})
		if !errors.Is(err, tilelog.ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Append: %v", err)
		}
	}
	if _, err := l.ReadTile(0, 0, 1); err != nil {
		t.Errorf("reading: %v", err)
	}
	if err := l.Close(t.Context()); !errors.Is(err, tilelog.ErrFailed) {
		t.Errorf("Close: %v", err)
	}
	if err := os.Remove(journal); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, o)
	if r := mustAppend(t, l, "after"); r.Index != 1 {
		t.Errorf("index %d", r.Index)
	}
	mustClose(t, l)
	checkDir(t, o.Dir)
}

// TestPublishFails checks that promised entries come back from the journal after publishing
// fails.
func TestPublishFails(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	blocked := filepath.Join(o.Dir, "tile")
	if err := os.WriteFile(blocked, []byte("not a directory"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := mustAppend(t, l, "promised")
	<-l.Failed()
	if _, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("x")}); !errors.Is(err, tilelog.ErrFailed) {
		t.Errorf("Append: %v", err)
	}
	if err := l.Close(t.Context()); !errors.Is(err, tilelog.ErrFailed) {
		t.Errorf("Close: %v", err)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, o)
	if got := mustAppend(t, l, "promised"); got.Index != r.Index || !bytes.Equal(got.Checkpoint, r.Checkpoint) {
		t.Errorf("recovered as %d of %d, under another checkpoint", got.Index, got.Size)
	}
}

// failingSigner simulates an unreachable key, such as one in an HSM.
type failingSigner struct{ note.Signer }

func (failingSigner) Sign([]byte) ([]byte, error) { return nil, io.ErrClosedPipe }

func TestSignerFails(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	mustClose(t, mustOpen(t, o))
	broken := o
	broken.Signers = []note.Signer{failingSigner{o.Signers[0]}}
	l := mustOpen(t, broken)
	for range 2 {
		if _, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("x")}); !errors.Is(err, tilelog.ErrFailed) || !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Append: %v", err)
		}
	}
	if err := l.Close(t.Context()); !errors.Is(err, tilelog.ErrFailed) {
		t.Errorf("Close: %v", err)
	}
	if r := mustAppend(t, mustOpen(t, o), "x"); r.Index != 0 {
		t.Errorf("index %d", r.Index)
	}
}

func TestOpenRefusesAnotherLog(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	mustAppend(t, l, "x")
	mustClose(t, l)
	renamed := o
	renamed.Origin = "other.example.com"
	if _, err := open(renamed); err == nil || !strings.Contains(err.Error(), "other.example.com") {
		t.Errorf("another origin: %v", err)
	}
	seed := sha256.Sum256([]byte("another key"))
	verifier, err := checkpoint.NewVerifier(origin, ed25519.NewKeyFromSeed(seed[:]).Public())
	if err != nil {
		t.Fatal(err)
	}
	rekeyed := o
	rekeyed.Verifiers = []note.Verifier{verifier}
	var unverified *note.UnverifiedNoteError
	if _, err := open(rekeyed); !errors.As(err, &unverified) {
		t.Errorf("another key: %v", err)
	}
	if _, err := open(options{Dir: t.TempDir()}); err == nil {
		t.Error("opened without a key")
	}
}

// copyDir copies a log's directory to a new one.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(filepath.Join(to, "log"), os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, "log")
}

// TestEveryFileDamaged removes, truncates or flips every file of a log. Open must refuse the
// log, or continue a complete one. It must never append to another log.
func TestEveryFileDamaged(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	for i := range 300 {
		mustAppend(t, l, fmt.Sprint("entry ", i))
	}
	mustClose(t, l)
	damages := map[string]func(path string, raw []byte) error{
		"removed": func(path string, _ []byte) error { return os.Remove(path) },
		"emptied": func(path string, _ []byte) error { return os.Truncate(path, 0) },
		"cut":     func(path string, raw []byte) error { return os.Truncate(path, int64(len(raw)-1)) },
		"longer":  func(path string, raw []byte) error { return os.WriteFile(path, append(raw, 0), 0o600) },
		"flipped": func(path string, raw []byte) error {
			raw[len(raw)/2] ^= 1
			return os.WriteFile(path, raw, 0o600)
		},
	}
	// Open does not read full tiles (checking the log does, and no proof uses a damaged one),
	// the journal of a closed log, and the lock.
	harmless := map[string]bool{"tile/0/000": true, "tile/entries/000": true, "journal": true, "lock": true}
	for _, path := range []string{"checkpoint", "journal", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"} {
		for name, damage := range damages {
			dir := copyDir(t, o.Dir)
			raw, err := os.ReadFile(filepath.Join(dir, path))
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(filepath.Join(dir, path), raw); err != nil {
				t.Fatal(err)
			}
			damaged := o
			damaged.Dir = dir
			l, err := open(damaged)
			if err != nil {
				continue
			}
			mustClose(t, l)
			if !harmless[path] {
				t.Errorf("%s %s: opened", path, name)
			}
		}
	}
}

// TestDamagedTileGivesNoProof checks that no proof is made from a damaged tile that Open does
// not read.
func TestDamagedTileGivesNoProof(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	l := mustOpen(t, o)
	for i := range 300 {
		mustAppend(t, l, fmt.Sprint("entry ", i))
	}
	mustClose(t, l)
	l = mustOpen(t, o)
	if err := os.WriteFile(filepath.Join(o.Dir, "tile/0/000"), make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("entry 7")}); !errors.Is(err, tile.ErrProof) {
		t.Errorf("Append: %v", err)
	}
}
