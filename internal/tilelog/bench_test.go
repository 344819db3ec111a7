package tilelog

import (
	"github.com/hallmark-sign/hallmark/wire/tile"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"encoding/binary"
)

// benchEntry is as long as a hashedrekord with a certificate.
func benchEntry(i uint64) []byte {
	entry := make([]byte, 2000)
	binary.BigEndian.PutUint64(entry, i)
	return entry
}

// benchAppend appends b.N entries by so many callers at once.
func benchAppend(b *testing.B, callers int) {
	l := mustOpen(b, testOptions(b, b.TempDir()))
	waits := make([]time.Duration, b.N)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				start := time.Now()
				if _, err := l.Append(b.Context(), Pending{Entry: benchEntry(uint64(i))}); err != nil {
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

func BenchmarkAppend1(b *testing.B)  { benchAppend(b, 1) }
func BenchmarkAppend64(b *testing.B) { benchAppend(b, 64) }

// BenchmarkReadTiles reads full tiles over connections that are kept, by 64 clients
// on this machine, whose own work is part of the figure.
func BenchmarkReadTiles(b *testing.B) {
	l := mustOpen(b, testOptions(b, b.TempDir()))
	const tiles = 20
	var wg sync.WaitGroup
	for caller := range uint64(256) {
		wg.Go(func() {
			for i := range uint64(tiles) {
				if _, err := l.Append(b.Context(), Pending{Entry: benchEntry(caller*tiles + i)}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	time.Sleep(2 * publishInterval)
	s := httptest.NewServer(l.Handler())
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
