// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
	"github.com/hallmark-sign/hallmark/internal/evidence"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

// TestPowerLoss kills the process or fails the power at any disk operation, repeatedly, while
// bundles are posted. Acknowledged bundles must be stored once and complete.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	lives := testkit.Rounds(20, 5000)
	root := hallmarktest.New(t)
	bundles, signatures := map[string][]byte{}, map[string]string{}
	for subject := range 6 {
		digest, _ := signed(t, root, fmt.Sprint(subject))
		for k, raw := range many(t, root, digest, 2) {
			name := fmt.Sprintf("%x-%d", digest, k)
			bundles[name], signatures[name] = raw, signature(t, raw)
		}
	}
	names := slices.Sorted(maps.Keys(bundles))
	acknowledged, stored := 0, 0
	for seed := range lives / 10 {
		random := rand.New(rand.NewPCG(uint64(seed), 3))
		disk := disktest.New(uint64(seed))
		var mu sync.Mutex
		var acked []string
		for range 10 {
			disk.Stop(1 + random.IntN(100))
			posted := shuffled(random, names)
			s, err := evidence.New(evidence.Options{FS: disk, Dir: "/evidence", Root: root.Root, MaxBytes: 1 << 30, Logger: slog.New(slog.DiscardHandler)})
			if err == nil {
				var clients sync.WaitGroup
				for k := range 3 {
					clients.Go(func() {
						for _, name := range posted[k*3 : k*3+6] {
							if _, err := s.Keep(t.Context(), digestIn(t, name), bundles[name]); err == nil {
								mu.Lock()
								acked = append(acked, name)
								mu.Unlock()
							}
						}
					})
				}
				clients.Wait()
				s.Close()
			}
			if random.IntN(2) == 0 {
				disk.ProcessKilled()
			} else {
				disk.PowerFailed()
			}
			stored = checkStore(t, disk, "/evidence", signatures, acked)
		}
		acknowledged += len(acked)
		if t.Failed() {
			t.Fatalf("seed %d: %d in the store", seed, stored)
		}
	}
	t.Logf("%d bundles acknowledged in %d lives", acknowledged, lives)
}

func shuffled(random *rand.Rand, names []string) []string {
	all := slices.Clone(names)
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}
