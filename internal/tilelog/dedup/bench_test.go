// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

var benchLeaves = flag.Uint64("leaves", 10_000_000, "length of the benchmark's log")

// syntheticLeaf returns a leaf hash for an index: uniformly distributed and cheap to compute.
func syntheticLeaf(index uint64) (hash [32]byte) {
	r := rand.NewPCG(index, 1)
	for i := 0; i < len(hash); i += 8 {
		binary.BigEndian.PutUint64(hash[i:], r.Uint64())
	}
	return hash
}

func syntheticLog(size uint64) Leaves {
	return func(from uint64, each func([32]byte) error) error {
		for ; from < size; from++ {
			if err := each(syntheticLeaf(from)); err != nil {
				return err
			}
		}
		return nil
	}
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// BenchmarkIndex builds an index of -leaves leaves and measures the open index.
func BenchmarkIndex(b *testing.B) {
	size, o := *benchLeaves, Options{Dir: b.TempDir(), Logger: quiet()}
	began := time.Now()
	x, err := Open(o, size, syntheticLog(size))
	if err != nil {
		b.Fatal(err)
	}
	settle(x)
	b.Logf("built in %v", time.Since(began))
	if err := x.Close(); err != nil {
		b.Fatal(err)
	}
	before := heap()
	began = time.Now()
	if x, err = Open(o, size, syntheticLog(size)); err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	b.Logf("opened in %v with %d leaves of %d in memory, heap %.1f MiB, %d runs, %.1f bytes a leaf",
		time.Since(began), x.live.len(), size, heap()-before, len(x.runs), bytesOf(b, o.Dir)/float64(size))

	b.Run("absent", func(b *testing.B) { benchFind(b, x, size, size) })
	b.Run("present", func(b *testing.B) { benchFind(b, x, 0, size) })
	b.Run("add", func(b *testing.B) {
		from := x.live.end
		for i := range uint64(b.N) {
			if err := x.Add(syntheticLeaf(from+i), from+i); err != nil {
				b.Fatal(err)
			}
		}
		settle(x)
	})
}

func benchFind(b *testing.B, x *Index, from, n uint64) {
	for i := range uint64(b.N) {
		index := from + i*7919%n
		if got, ok, err := x.Find(syntheticLeaf(index)); err != nil || ok != (index < from+n && from == 0) || ok && got != index {
			b.Fatal(got, ok, err)
		}
	}
}

func bytesOf(b *testing.B, dir string) (total float64) {
	names, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name.Name()))
		if err != nil {
			b.Fatal(err)
		}
		total += float64(info.Size())
	}
	return total
}

// settle waits until all pending writes and merges are done.
func settle(x *Index) {
	for {
		x.mu.Lock()
		busy := x.err == nil && (x.frozen != nil || mergeable(x.runs))
		x.mu.Unlock()
		if !busy {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
