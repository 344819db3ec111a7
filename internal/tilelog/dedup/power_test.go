// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
)

// TestPowerFails checks that the index answers correctly after a power failure at any disk
// operation, also during recovery from an earlier one. The log may have lost its tail and
// continued with other leaves.
func TestPowerFails(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 11))
		disk, m := disktest.New(seed), newModel(0)
		o := Options{FS: disk, Dir: "/index", Logger: quiet()}
		for range 20 {
			disk.Stop(1 + r.IntN(150))
			if err := m.live(o, r); err != nil && !errors.Is(err, disktest.ErrStopped) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			disk.PowerFailed()
			m.cut(m.size() - r.Uint64N(1+min(m.size(), smallTable)))
		}
		x, err := open(o, m.size(), m.read, smallTable)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		m.check(t, x)
		settle(x)
		m.check(t, x)
		shut(t, x)
	}
}

// live opens the index and adds leaves to it and the log until an error.
func (m *model) live(o Options, r *rand.Rand) error {
	x, err := open(o, m.size(), m.read, smallTable)
	if err != nil {
		return err
	}
	defer x.Close()
	for range 10 * smallTable {
		hash := leafOf(r.Uint64())
		if _, ok, err := x.Find(hash); err != nil {
			return err
		} else if ok {
			return errors.New("found an absent leaf")
		}
		if err := x.Add(hash, m.size()); err != nil {
			return err
		}
		m.add(hash)
	}
	return nil
}
