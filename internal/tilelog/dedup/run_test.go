// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"
)

// A memory is a run's file in memory.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func parse(raw []byte, s span) (*run, error) {
	return parseRun(memory{bytes.NewReader(raw)}, int64(len(raw)), s)
}

// runOf writes a run of records and returns its bytes.
func runOf(t testing.TB, s span, records []record) []byte {
	t.Helper()
	dir := onDisk(t.TempDir())
	w, err := newWriter(dir, s)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(records, record.compare)
	for _, r := range records {
		if err := w.add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.finish([hashSize]byte{1}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(dir.path(s.name()))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// recordsOf returns n records from index start on, with keys that share long prefixes, as an
// attacker could choose them.
func recordsOf(start, n uint64) []record {
	var records []record
	for i := range n {
		hash := leafOf(start + i)
		records = append(records, record{key{7, parseKey(hash[:]).lo}, start + i})
	}
	return records
}

func TestRun(t *testing.T) {
	block := make([]byte, blockSize)
	for _, n := range []uint64{1, 2, perBlock - 1, perBlock, perBlock + 1, 5 * perBlock} {
		s := span{1 << 40, 1<<40 + n}
		records := recordsOf(s.start, n)
		r, err := parse(runOf(t, s, slices.Clone(records)), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range records {
			if index, ok, err := r.find(want.key, block); !ok || err != nil || index != want.index {
				t.Fatalf("%d records: %d is %d, %v, %v", n, want.index, index, ok, err)
			}
			for _, k := range []key{{want.hi, want.lo + 1}, {want.hi, want.lo - 1}, {want.hi - 1, want.lo}, {want.hi + 1, want.lo}} {
				if _, ok, err := r.find(k, block); ok || err != nil {
					t.Fatalf("%d records: found %x, %v", n, k, err)
				}
			}
		}
	}
}

// TestEveryByteDamaged checks that a run with any wrong byte yields the right answer or
// errDamaged.
func TestEveryByteDamaged(t *testing.T) {
	const n = perBlock + 5
	s := span{100, 100 + n}
	records := recordsOf(s.start, n)
	whole := runOf(t, s, slices.Clone(records))
	block := make([]byte, blockSize)
	for at := range whole {
		raw := bytes.Clone(whole)
		raw[at] ^= 0x10
		r, err := parse(raw, s)
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Fatalf("byte %d: %v", at, err)
			}
			continue
		}
		if at >= 2*blockSize {
			t.Fatalf("byte %d after the blocks: damage not found", at)
		}
		damaged := 0
		for _, want := range records {
			index, ok, err := r.find(want.key, block)
			if errors.Is(err, errDamaged) {
				damaged++
			} else if err != nil || !ok || index != want.index {
				t.Fatalf("byte %d: index %d is found as %d, %v, %v", at, want.index, index, ok, err)
			}
		}
		if damaged == 0 {
			t.Fatalf("byte %d: damage not found", at)
		}
	}
	for cut := range whole {
		if _, err := parse(whole[:cut], s); !errors.Is(err, errDamaged) {
			t.Fatalf("cut to %d: %v", cut, err)
		}
	}
	if _, err := parse(append(bytes.Clone(whole), 0), s); !errors.Is(err, errDamaged) {
		t.Errorf("a byte more: %v", err)
	}
}

// TestFilter checks that the filter saves most reads and hides no key.
func TestFilter(t *testing.T) {
	const n = 100_000
	f := make(filter, filterSize(span{0, n}))
	for i := range uint64(n) {
		hash := leafOf(i)
		f.add(parseKey(hash[:]))
	}
	passed := 0
	for i := range uint64(2 * n) {
		hash := leafOf(i)
		if may := f.mayHave(parseKey(hash[:])); i < n && !may {
			t.Fatalf("filter hides leaf %d", i)
		} else if i >= n && may {
			passed++
		}
	}
	if passed > n/5 {
		t.Errorf("%d of %d absent keys pass the filter", passed, n)
	}
}

// TestBlocksExchanged checks that swapped blocks are found, although their checksums are
// right.
func TestBlocksExchanged(t *testing.T) {
	s := span{0, 2 * perBlock}
	records := recordsOf(0, 2*perBlock)
	raw := runOf(t, s, records)
	r, err := parse(slices.Concat(raw[blockSize:2*blockSize], raw[:blockSize], raw[2*blockSize:]), s)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.find(records[0].key, make([]byte, blockSize)); !errors.Is(err, errDamaged) {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	for _, s := range []span{{0, 1}, {65536, 131072}, {maxIndex, maxIndex + 1}} {
		if got, ok := parseName(s.name()); !ok || got != s {
			t.Errorf("%s: %v", s.name(), got)
		}
	}
	for _, name := range []string{
		"", "-", "0", "0-", "-1", "0-0", "2-1", "00-1", "0-01", "+0-1", "0-1-2", "0-1.old", "a-b",
		"0-281474976710657", "0-18446744073709551616", ".tmp-1",
	} {
		if s, ok := parseName(name); ok {
			t.Errorf("%q is %v", name, s)
		}
	}
}

func TestMergeKeepsLowest(t *testing.T) {
	dir := onDisk(t.TempDir())
	var runs []*run
	for i := range uint64(4) { // the same keys in each
		s := span{i * 500, i*500 + 500}
		records := recordsOf(0, 500)
		for j := range records {
			records[j].index += s.start
		}
		r, err := parse(runOf(t, s, records), s)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, r)
	}
	pauses := 0
	whole, err := mergeRuns(dir, runs, 100, func() error { pauses++; return nil })
	if err != nil || whole != (span{0, 2000}) || pauses != 20 {
		t.Fatalf("%v, %d pauses, %v", whole, pauses, err)
	}
	raw, err := os.ReadFile(dir.path(whole.name()))
	if err != nil {
		t.Fatal(err)
	}
	merged, err := parse(raw, whole)
	if err != nil || merged.records != 500 || merged.last != runs[3].last {
		t.Fatalf("%d records, %v", merged.records, err)
	}
	for _, want := range recordsOf(0, 500) {
		if index, ok, err := merged.find(want.key, make([]byte, blockSize)); !ok || err != nil || index != want.index {
			t.Fatalf("%d is %d, %v, %v", want.index, index, ok, err)
		}
	}
}

// FuzzRun checks that any file is damaged or can be read to its end without a panic.
func FuzzRun(f *testing.F) {
	for _, n := range []uint64{1, perBlock, perBlock + 1} {
		f.Add(runOf(f, span{0, n}, recordsOf(0, n)), n, true)
	}
	f.Add([]byte(magic), uint64(1), false)
	f.Fuzz(func(t *testing.T, raw []byte, n uint64, mend bool) {
		if mend {
			raw = mended(raw)
		}
		r, err := parse(raw, span{0, n})
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Fatal(err)
			}
			return
		}
		if r.first.len()*blockSize > len(raw) {
			t.Fatalf("%d blocks in %d bytes", len(r.first), len(raw))
		}
		c, err := newCursor(r)
		for ; err == nil; err = c.advance() {
			if index, ok, err := r.find(c.head.key, make([]byte, blockSize)); ok && !r.contains(index) {
				t.Fatalf("index %d, %v", index, err)
			}
		}
		if err != errMerged && !errors.Is(err, errDamaged) {
			t.Fatal(err)
		}
	})
}

// mended fixes the checksums, so that the fuzzer reaches the content behind them.
func mended(raw []byte) []byte {
	raw = bytes.Clone(raw)
	const body = blockSize - sumSize
	blocks := max(0, len(raw)-trailerSize-8) / (blockSize + keySize)
	for i := range blocks {
		block := raw[i*blockSize:][:blockSize]
		putSum(block[body:], block[:body])
	}
	if tail := raw[blocks*blockSize:]; len(tail) >= sumSize {
		putSum(tail[len(tail)-sumSize:], tail[:len(tail)-sumSize])
	}
	return raw
}

// TestIndexOutOfRun checks that an index outside of the run is damage, even with right
// checksums.
func TestIndexOutOfRun(t *testing.T) {
	s := span{0, 10}
	records := recordsOf(5, 10)
	last := records[9] // of index 14
	r, err := parse(runOf(t, s, records), s)
	if err != nil {
		t.Fatal(err)
	}
	if index, _, err := r.find(last.key, make([]byte, blockSize)); !errors.Is(err, errDamaged) {
		t.Errorf("found %d, %v", index, err)
	}
	if _, err := mergeRuns(onDisk(t.TempDir()), []*run{r}, 1, func() error { return nil }); !errors.Is(err, errDamaged) {
		t.Errorf("merged: %v", err)
	}
}
