// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// names returns the names of all files in a directory, including temporary ones.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, content := range []string{"one", "", "two"} {
		if err := WriteFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != content {
			t.Errorf("%q, want %q", got, content)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"f"}) {
		t.Errorf("left behind: %v", got)
	}
}

func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "d"), []byte("x"), 0o600); err == nil {
		t.Error("a directory was replaced")
	}
	if err := WriteFile(filepath.Join(dir, "d", "x\x00y"), nil, 0o600); err == nil {
		t.Error("a NUL in the name was accepted")
	}
	if got := names(t, dir); !slices.Equal(got, []string{"d"}) {
		t.Errorf("left behind: %v", got)
	}
}

func TestCreateFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	var created atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			switch err := CreateFile(path, []byte("mine"), 0o600); {
			case err == nil:
				created.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if created.Load() != 1 || read(t, path) != "mine" {
		t.Errorf("%d callers created it", created.Load())
	}
	if got := names(t, dir); !slices.Equal(got, []string{"f"}) {
		t.Errorf("left behind: %v", got)
	}
}

func TestBatch(t *testing.T) {
	dir := t.TempDir()
	var b Batch
	for _, name := range []string{"a", "x/b", "x/y/c", "x/d"} {
		if err := b.Write(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Sync(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "x/b", "x/y/c", "x/d"} {
		if got := read(t, filepath.Join(dir, name)); got != name {
			t.Errorf("%s holds %q", name, got)
		}
	}
	if err := b.Write(filepath.Join(dir, "a/under-a-file"), nil, 0o644); err == nil {
		t.Error("a file has a file below it")
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	if lock, err := (OS{}).Lock(path); lock != nil || !errors.Is(err, ErrLocked) {
		t.Errorf("locked twice, through FS: %v, %v", lock, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func openJournal(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := OpenJournal(OS{}, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func records(t *testing.T, path string) []string {
	t.Helper()
	var got []string
	err := openJournal(t, path).Records(func(record []byte) error {
		got = append(got, string(record))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func appendAll(t *testing.T, j *Journal, list ...string) {
	t.Helper()
	for _, record := range list {
		if err := j.Append([]byte(record)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if got := records(t, path); got != nil {
		t.Errorf("a new journal holds %q", got)
	}
	j := openJournal(t, path)
	big := strings.Repeat("big", 1<<18)
	appendAll(t, j, "one", big, "three")
	if got := records(t, path); !slices.Equal(got, []string{"one", big, "three"}) {
		t.Errorf("%d records", len(got))
	}
	j.Reset()
	if j.Size() != 0 {
		t.Errorf("size %d after Reset", j.Size())
	}
	appendAll(t, j, "four")
	if got := records(t, path); len(got) < 1 || got[0] != "four" {
		t.Errorf("after Reset: %.100q", got)
	}
	if err := j.Append(nil); err == nil {
		t.Error("an empty record was written")
	}
	if err := j.Append(make([]byte, maxRecord+1)); err == nil {
		t.Error("too long a record was written")
	}
}

// TestJournalTornAnywhere checks that a torn last record is ignored, and that the records
// before it are read.
func TestJournalTornAnywhere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal")
	appendAll(t, openJournal(t, path), "first", "second", "the torn one")
	whole := []byte(read(t, path))
	start := bytes.Index(whole, []byte("the torn one")) - journalHeader
	for i := start; i < len(whole); i++ {
		for name, torn := range map[string][]byte{
			"cut":     whole[:i],
			"flipped": slices.Replace(bytes.Clone(whole), i, i+1, whole[i]^0x10),
			"zeroed":  append(bytes.Clone(whole[:i]), make([]byte, len(whole)-i)...),
		} {
			tornPath := filepath.Join(dir, "torn")
			if err := os.WriteFile(tornPath, torn, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := records(t, tornPath); !slices.Equal(got, []string{"first", "second"}) {
				t.Fatalf("%s at %d: %q", name, i, got)
			}
		}
	}
}

// TestJournalDamaged checks that records after a damaged one are found.
func TestJournalDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	appendAll(t, openJournal(t, path), "first", "the damaged one", "third")
	raw := []byte(read(t, path))
	raw[bytes.Index(raw, []byte("damaged"))] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := records(t, path); !slices.Equal(got, []string{"first", "third"}) {
		t.Errorf("%q", got)
	}
}

func TestJournalStopsAtError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := openJournal(t, path)
	appendAll(t, j, "one", "two")
	stop := errors.New("stop")
	calls := 0
	err := j.Records(func([]byte) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// TestJournalDiskFull uses /dev/full, a device that is always full.
func TestJournalDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	j := openJournal(t, path)
	if err := j.Append([]byte("one")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Append: %v", err)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x03\xf1\x30\xf2\x1eone"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, record := range records(t, path) {
			total += journalHeader + len(record)
		}
		if total > len(raw) {
			t.Errorf("%d bytes of records in %d", total, len(raw))
		}
	})
}

// TestTempDir checks that the directory of a killed process is removed by the next, that one
// in use is not, and that concurrent callers get different ones.
func TestTempDir(t *testing.T) {
	if !canLockDirs {
		t.Skip("directories are not locked here")
	}
	parent := t.TempDir()
	if err := os.MkdirAll(filepath.Join(parent, ".build-abandoned", "half"), 0o755); err != nil {
		t.Fatal(err)
	}
	var mine sync.Map
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				dir, remove, err := TempDir(parent, ".build-*")
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, "f"), nil, 0o600)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if _, taken := mine.LoadOrStore(dir, true); taken {
					t.Errorf("%s is another's", dir)
				}
				if _, err := os.Stat(filepath.Join(dir, "f")); err != nil {
					t.Error(err)
				}
				mine.Delete(dir)
				remove()
			}
		})
	}
	wg.Wait()
	if left := names(t, parent); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestReplace checks that files left by a crash of Replace do not obstruct it, and that
// Replace leaves none.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path+".new", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"one", "two"} {
		if err := Replace(OS{}, path, []byte(content), 0o644); err != nil || read(t, path) != content {
			t.Errorf("%v", err)
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"f"}) {
		t.Errorf("left: %v", got)
	}
}
