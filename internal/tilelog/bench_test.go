// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// benchEntry returns an entry as long as a hashedrekord with a certificate.
func benchEntry(i uint64) []byte {
	entry := make([]byte, 2000)
	binary.BigEndian.PutUint64(entry, i)
	return entry
}

// benchAppend appends b.N entries from that many concurrent callers.
func benchAppend(b *testing.B, dir string, callers int) {
	l := mustOpen(b, testOptions(b, dir))
	waits := make([]time.Duration, b.N)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				start := time.Now()
				if _, err := l.Append(b.Context(), tilelog.Pending{Entry: benchEntry(uint64(i))}); err != nil {
					b.Error(err)
					return
				}
				waits[i] = time.Since(start)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(waits)
	b.ReportMetric(float64(waits[b.N/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(waits[b.N*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkAppend1(b *testing.B)   { benchAppend(b, b.TempDir(), 1) }
func BenchmarkAppend64(b *testing.B)  { benchAppend(b, b.TempDir(), 64) }
func BenchmarkAppend512(b *testing.B) { benchAppend(b, b.TempDir(), 512) }

// BenchmarkAppendBig runs BenchmarkAppend64 in a log of 10,000,128 entries: 39,063 full tiles
// of hashes, without tiles of entries.
func BenchmarkAppendBig(b *testing.B) {
	dir := b.TempDir()
	buildBig(b, dir, 39_063)
	mustClose(b, mustOpen(b, testOptions(b, dir))) // creates the index of leaves
	start := time.Now()
	l := mustOpen(b, testOptions(b, dir))
	b.Logf("%d entries: opened in %v, %d MiB in use", l.Size(), time.Since(start), inUse(b))
	mustClose(b, l)
	benchAppend(b, dir, 64)
	b.Logf("after %d more: %d MiB in use", b.N, inUse(b))
}

// inUse returns the memory of this process in MiB, as the system counts it.
func inUse(b *testing.B) int64 {
	b.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("no /proc here")
	}
	var total, resident int64
	if _, err := fmt.Sscan(string(raw), &total, &resident); err != nil {
		b.Fatal(err)
	}
	return resident * int64(os.Getpagesize()) >> 20
}

// buildBig writes the tiles of a log of full tiles of synthetic leaves, level by level, and
// its checkpoint.
func buildBig(b *testing.B, dir string, tiles int) {
	b.Helper()
	o := testOptions(b, dir)
	hashes := make([]tlog.Hash, tiles*tile.Width)
	for i := range hashes {
		hashes[i] = sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	}
	root, err := tilelog.RootOf(hashes)
	if err != nil {
		b.Fatal(err)
	}
	for level := 0; len(hashes) > 0; level++ {
		var above []tlog.Hash
		for n := 0; n*tile.Width < len(hashes); n++ {
			in := hashes[n*tile.Width : min((n+1)*tile.Width, len(hashes))]
			path := filepath.Join(dir, tile.Path(level, uint64(n), len(in)))
			var raw []byte
			for _, h := range in {
				raw = append(raw, h[:]...)
			}
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, raw, 0o644)); err != nil {
				b.Fatal(err)
			}
			if len(in) == tile.Width {
				above = append(above, tilelog.Subtree(in))
			}
		}
		hashes = above
	}
	envelope, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: origin, Size: uint64(tiles) * tile.Width, Root: root}, o.Signers...)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "checkpoint"), envelope, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkReadTiles reads full tiles with 64 clients on persistent connections. The clients
// run on the same machine, so the figure includes their work.
func BenchmarkReadTiles(b *testing.B) {
	l := mustOpen(b, testOptions(b, b.TempDir()))
	const tiles = 20
	var wg sync.WaitGroup
	for caller := range uint64(256) {
		wg.Go(func() {
			for i := range uint64(tiles) {
				if _, err := l.Append(b.Context(), tilelog.Pending{Entry: benchEntry(caller*tiles + i)}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	time.Sleep(2 * tilelog.PublishInterval)
	s := httptest.NewServer(l.Handler(""))
	defer s.Close()
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}}
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for n := uint64(0); pb.Next(); n++ {
			resp, err := h.Get(s.URL + "/" + tile.Path(0, n%tiles, tile.Width))
			if err != nil {
				b.Error(err)
				return
			}
			size, err := io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err != nil || size != tile.Width*32 {
				b.Errorf("%d bytes, %v", size, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tiles/s")
}
