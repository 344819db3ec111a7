// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
)

func putSum(to, raw []byte) { binary.BigEndian.PutUint32(to, checksum(raw)) }

// threeRuns writes runs that are not merged, as flushes leave them. It also returns the run
// that merging them yields, in a directory of its own.
func threeRuns(t *testing.T, m *model) (dir, merged string, names []string) {
	t.Helper()
	dir, merged = t.TempDir(), t.TempDir()
	x := &Index{dir: onDisk(dir)}
	for start := uint64(0); start < m.size(); start += smallTable {
		tab := newTable(start, smallTable)
		for i, hash := range m.leaves[start:][:smallTable] {
			tab.indices[parseKey(hash[:])] = start + uint64(i)
			tab.last = hash
		}
		tab.end = start + smallTable
		r, err := x.writeTable(tab)
		if err != nil {
			t.Fatal(err)
		}
		defer r.file.Close()
		x.runs, names = append(x.runs, r), append(names, r.name())
	}
	if _, err := mergeRuns(onDisk(merged), x.runs, 1, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	return dir, merged, names
}

// TestCrash checks that an index opens with the same answers, and leaves no stray files, after
// any state that a crash during a write or a merge can leave.
func TestCrash(t *testing.T) {
	m := newModel(3 * smallTable)
	apart, merged, names := threeRuns(t, m)
	whole := span{0, m.size()}.name()
	content, err := os.ReadFile(filepath.Join(merged, whole))
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]func(dir string){
		"nothing written yet": func(string) {},
		"a part written":      func(dir string) { write(t, filepath.Join(dir, ".tmp-1"), content[:len(content)/2]) },
		"all written":         func(dir string) { write(t, filepath.Join(dir, ".tmp-1"), content) },
		"named":               func(dir string) { write(t, filepath.Join(dir, whole), content) },
		"named, content lost": func(dir string) { write(t, filepath.Join(dir, whole), make([]byte, len(content))) },
		"named, empty":        func(dir string) { write(t, filepath.Join(dir, whole), nil) },
	}
	for lost := range 1 << len(names) {
		var gone []string
		for i, name := range names {
			if lost>>i&1 == 1 {
				gone = append(gone, name)
			}
		}
		states["merged, removed "+strings.Join(gone, " ")] = func(dir string) {
			write(t, filepath.Join(dir, whole), content)
			removeAll(t, dir, gone)
		}
		states["lost "+strings.Join(gone, " ")] = func(dir string) { removeAll(t, dir, gone) }
	}
	for name, make := range states {
		t.Run(name, func(t *testing.T) {
			dir := snapshot(t, apart)
			make(dir)
			x := m.open(t, dir, smallTable)
			m.check(t, x)
			settle(x)
			settledNames(t, x)
			m.check(t, x)
		})
	}
}

func removeAll(t *testing.T, dir string, names []string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCloseBreaksMergeOff checks that a merge interrupted by Close is done after the next
// Open.
func TestCloseBreaksMergeOff(t *testing.T) {
	m := newModel(100 * smallTable)
	dir := t.TempDir()
	shut(t, m.open(t, dir, smallTable))
	if i := slices.IndexFunc(list(t, dir), isTemp); i >= 0 {
		t.Errorf("left behind: %v", list(t, dir))
	}
	x := m.open(t, dir, smallTable)
	settle(x)
	m.check(t, x)
	if len(x.runs) > 4 {
		t.Errorf("%d runs", len(x.runs))
	}
}

// TestAnotherLog checks that runs of another log of the same size, and of a later state of
// this log, are not used.
func TestAnotherLog(t *testing.T) {
	m := newModel(9*smallTable + 5)
	other := newModel(0)
	for i := range m.size() {
		other.add(leafOf(1<<32 + i))
	}
	dir := other.built(t)
	x := m.open(t, dir, smallTable)
	m.check(t, x)
	if _, ok, err := x.Find(leafOf(1 << 32)); ok || err != nil {
		t.Errorf("found a leaf of the other log, %v", err)
	}
	shut(t, x)
	m.cut(m.size() / 2)
	m.check(t, m.open(t, dir, smallTable))
}

// TestDamagedIsMadeAnew checks that damage in a directory is either found when the index is
// opened, or found when it is read and repaired by the next Open.
func TestDamagedIsMadeAnew(t *testing.T) {
	m := newModel(13 * smallTable)
	sound := m.built(t)
	for _, name := range list(t, sound) {
		raw, err := os.ReadFile(filepath.Join(sound, name))
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(raw); at += 1 + len(raw)/testkit.Rounds(10, 100) {
			dir := snapshot(t, sound)
			raw[at] ^= 1
			write(t, filepath.Join(dir, name), raw)
			raw[at] ^= 1
			m.checkDamaged(t, dir)
		}
	}
}

// checkDamaged looks up all leaves. It wants correct answers, or errDamaged once and correct
// answers from then on.
func (m *model) checkDamaged(t *testing.T, dir string) {
	t.Helper()
	x := m.open(t, dir, smallTable)
	for hash, want := range m.first {
		got, ok, err := x.Find(hash)
		if errors.Is(err, errDamaged) {
			if _, _, again := x.Find(hash); !errors.Is(again, errDamaged) {
				t.Errorf("after damage: %v", again)
			}
			if err := x.Close(); !errors.Is(err, errDamaged) {
				t.Errorf("closing after damage: %v", err)
			}
			m.check(t, m.open(t, dir, smallTable))
			return
		}
		if err != nil || !ok || got != want {
			t.Fatalf("leaf %d: %d, %v, %v", want, got, ok, err)
		}
	}
}

// TestDamageInMerge checks that damage found by a merge stops the index, and is repaired by
// the next Open.
func TestDamageInMerge(t *testing.T) {
	m := newModel(3 * smallTable)
	dir, _, names := threeRuns(t, m)
	flip(t, filepath.Join(dir, names[1]))
	x := m.open(t, dir, smallTable)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		_, _, err := x.Find(leafOf(1 << 40))
		if errors.Is(err, errDamaged) {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	x.Close()
	if got := list(t, dir); !slices.Equal(got, []string{names[0], names[2]}) {
		t.Errorf("directory holds %v", got)
	}
	m.check(t, m.open(t, dir, smallTable))
}

func flip(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := io.ReadFull(f, b); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x80
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
}
