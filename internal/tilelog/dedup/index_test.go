// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

// smallTable makes runs shorter than a block, so that merges are soon due.
const smallTable = 64

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// A model is a log simple enough to be obviously correct.
type model struct {
	leaves [][32]byte
	first  map[[32]byte]uint64
}

func newModel(n int) *model {
	m := &model{first: map[[32]byte]uint64{}}
	for i := range n {
		m.add(leafOf(uint64(i)))
	}
	return m
}

func leafOf(n uint64) [32]byte { return sha256.Sum256(binary.BigEndian.AppendUint64(nil, n)) }

func (m *model) add(hash [32]byte) {
	if _, ok := m.first[hash]; !ok {
		m.first[hash] = m.size()
	}
	m.leaves = append(m.leaves, hash)
}

func (m *model) size() uint64 { return uint64(len(m.leaves)) }

// cut drops the tail of the log.
func (m *model) cut(size uint64) {
	for _, hash := range m.leaves[size:] {
		if m.first[hash] >= size {
			delete(m.first, hash)
		}
	}
	m.leaves = m.leaves[:size]
}

func (m *model) read(from uint64, each func([32]byte) error) error {
	for _, hash := range m.leaves[from:] {
		if err := each(hash); err != nil {
			return err
		}
	}
	return nil
}

// open opens dir for the model's log.
func (m *model) open(t *testing.T, dir string, tableSize uint64) *Index {
	t.Helper()
	x, err := open(Options{Dir: dir, Logger: quiet()}, m.size(), m.read, tableSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// check looks up every leaf, and some that are absent.
func (m *model) check(t *testing.T, x *Index) {
	t.Helper()
	for hash, want := range m.first {
		if got, ok, err := x.Find(hash); err != nil || !ok || got != want {
			t.Fatalf("leaf %d: %d, %v, %v", want, got, ok, err)
		}
	}
	for i := range uint64(100) {
		if got, ok, err := x.Find(leafOf(1<<40 + i)); ok || err != nil {
			t.Fatalf("absent leaf: %d, %v", got, err)
		}
	}
}

// onDisk returns a directory of this machine's file system.
func onDisk(dir string) directory { return directory{durable.OS{}, dir} }

func shut(t *testing.T, x *Index) {
	t.Helper()
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

// built returns a closed directory with merged runs of the whole log.
func (m *model) built(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	x := m.open(t, dir, smallTable)
	settle(x)
	shut(t, x)
	return dir
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	names, err := onDisk(dir).names()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// snapshot copies the contents of dir, as a crash would leave them.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range list(t, dir) {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // removed by a merge meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, name), raw)
	}
	return to
}

func write(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestModel checks that the index answers as the model does, with new and repeated leaves,
// restarts, crashes at any moment, and logs that lose their tail and go on with other leaves.
func TestModel(t *testing.T) {
	for seed := range uint64(testkit.Rounds(2, 8)) {
		r := rand.New(rand.NewPCG(seed, 7))
		tableSize := []uint64{smallTable, 3 * perBlock}[seed%2]
		m, dir := newModel(0), t.TempDir()
		x := m.open(t, dir, tableSize)
		for range 60 {
			switch r.IntN(8) {
			case 0:
				shut(t, x)
				x = m.open(t, dir, tableSize)
			case 1:
				dir = snapshot(t, dir)
				x.Close()
				x = m.open(t, dir, tableSize)
			case 2:
				x.Close()
				m.cut(m.size() - r.Uint64N(1+min(m.size(), 2*tableSize)))
				x = m.open(t, dir, tableSize)
			default:
				addSome(t, x, m, r, r.IntN(4*int(tableSize)))
			}
			findSome(t, x, m, r)
		}
		m.check(t, x)
		settle(x)
		m.check(t, x)
	}
}

// addSome adds n leaves, some of which are already in the log.
func addSome(t *testing.T, x *Index, m *model, r *rand.Rand, n int) {
	t.Helper()
	for range n {
		hash := leafOf(r.Uint64())
		if m.size() > 0 && r.IntN(10) == 0 {
			hash = m.leaves[r.Uint64N(m.size())]
		}
		if err := x.Add(hash, m.size()); err != nil {
			t.Fatal(err)
		}
		m.add(hash)
	}
}

func findSome(t *testing.T, x *Index, m *model, r *rand.Rand) {
	t.Helper()
	for range min(m.size(), 200) {
		hash := m.leaves[r.Uint64N(m.size())]
		if got, ok, err := x.Find(hash); err != nil || !ok || got != m.first[hash] {
			t.Fatalf("leaf %d of %d: %d, %v, %v", m.first[hash], m.size(), got, ok, err)
		}
	}
	if got, ok, err := x.Find(leafOf(r.Uint64())); ok || err != nil {
		t.Fatalf("absent leaf: %d, %v", got, err)
	}
}

// TestReopenReadsLittle checks that Open does not read leaves from the log that are in runs.
func TestReopenReadsLittle(t *testing.T) {
	m := newModel(20*smallTable + 10)
	dir := m.built(t)
	read := 0
	x, err := open(Options{Dir: dir, Logger: quiet()}, m.size(), func(from uint64, each func([32]byte) error) error {
		return m.read(from, func(hash [32]byte) error { read++; return each(hash) })
	}, smallTable)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	m.check(t, x)
	if most := 2*len(list(t, dir)) + smallTable; read > most {
		t.Errorf("%d leaves of %d read, at most %d", read, m.size(), most)
	}
}

func TestAddInOrder(t *testing.T) {
	m := newModel(3)
	x := m.open(t, t.TempDir(), smallTable)
	for _, index := range []uint64{0, 2, 4, maxIndex + 1} {
		if err := x.Add(leafOf(9), index); err == nil {
			t.Errorf("index %d was accepted as the fourth", index)
		}
	}
	if err := x.Add(leafOf(3), 3); err != nil {
		t.Error(err)
	}
}

// TestLeavesFail checks that Open returns errors from reading the log.
func TestLeavesFail(t *testing.T) {
	m := newModel(10 * smallTable)
	stop := errors.New("stop")
	fails := func(uint64, func([32]byte) error) error { return stop }
	for name, dir := range map[string]string{"nothing there": t.TempDir(), "runs there": m.built(t)} {
		if _, err := Open(Options{Dir: dir, Logger: quiet()}, m.size(), fails); !errors.Is(err, stop) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Open(Options{Dir: dir, Logger: quiet()}, m.size()+1, m.read); err == nil {
			t.Errorf("%s: opened with one leaf more than the log yielded", name)
		}
	}
}

// TestDiskFails checks that a disk error in the background reaches the caller.
func TestDiskFails(t *testing.T) {
	m, dir := newModel(0), filepath.Join(t.TempDir(), "index")
	x := m.open(t, dir, smallTable)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(smallTable + 1) {
		if err := x.Add(leafOf(i), i); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, _, err := x.Find(leafOf(0)); errors.Is(err, os.ErrNotExist) {
			break
		} else if err != nil || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	for i := x.live.end; i < 2*smallTable; i++ {
		if err := x.Add(leafOf(i), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Add(leafOf(2*smallTable), 2*smallTable); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Add: %v", err)
	}
	if err := x.Close(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Close: %v", err)
	}
}

func TestClose(t *testing.T) {
	x := newModel(5*smallTable).open(t, t.TempDir(), smallTable)
	shut(t, x)
	shut(t, x)
	if _, _, err := x.Find(leafOf(0)); !errors.Is(err, errClosed) {
		t.Errorf("Find after Close: %v", err)
	}
}

func TestDue(t *testing.T) {
	for _, c := range []struct {
		lengths []uint64
		want    int
	}{
		{nil, 0}, {[]uint64{5}, 0}, {[]uint64{1, 1}, 0}, {[]uint64{3, 1}, 1}, {[]uint64{3, 1, 1}, 0},
		{[]uint64{100, 3, 1, 1}, 1}, {[]uint64{100, 12, 3, 1}, 3}, {[]uint64{9, 1, 1, 1, 1}, 0},
	} {
		var runs []*run
		for _, n := range c.lengths {
			runs = append(runs, &run{span: span{end(runs), end(runs) + n}})
		}
		if got := due(runs); got != c.want {
			t.Errorf("due(%v) = %d, want %d", c.lengths, got, c.want)
		}
	}
}

// TestFewRuns checks that any number of leaves results in few runs, which are contiguous.
func TestFewRuns(t *testing.T) {
	m := newModel(200*smallTable + 1)
	x := m.open(t, t.TempDir(), smallTable)
	settle(x)
	if len(x.runs) > 4 {
		t.Errorf("%d runs of %d tables", len(x.runs), 200)
	}
	names := list(t, x.dir.dir)
	for i, r := range x.runs {
		if r.start != end(x.runs[:i]) || !slices.Contains(names, r.name()) {
			t.Errorf("run %s after %d", r.name(), end(x.runs[:i]))
		}
	}
	if len(names) > len(x.runs) {
		settledNames(t, x)
	}
}

// settledNames waits until merged runs are removed, and returns the names of files.
func settledNames(t *testing.T, x *Index) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); len(list(t, x.dir.dir)) > len(x.runs); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %v", list(t, x.dir.dir))
		}
	}
}
