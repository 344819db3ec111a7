package tilelog

import (
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
