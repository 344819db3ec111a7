// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// A storm is a log on an unreliable disk, and everything that the log has promised.
type storm struct {
	t      *testing.T
	disk   *disktest.Disk
	o      options
	random *rand.Rand
	next   int // number of the next entry

	mu       sync.Mutex
	promises promises
}

func newStorm(t *testing.T, seed uint64) *storm {
	s := &storm{t: t, disk: disktest.New(seed), random: rand.New(rand.NewPCG(seed, 1)), o: testOptions(t, "/log")}
	s.o.FS = s.disk
	if seed%2 == 1 {
		s.o.Cosigner = &moody{random: rand.New(rand.NewPCG(seed, 4)), cosigner: cosigner(t)}
		s.o.Witnessed = seed%4 == 1
	}
	return s
}

// A moody is a witness that is slow, and sometimes does not cosign.
type moody struct {
	cosigner note.Signer
	mu       sync.Mutex
	random   *rand.Rand
}

func cosigner(t *testing.T) note.Signer {
	t.Helper()
	s, err := checkpoint.NewCosigner("witness.example.com", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Cosign adds a cosignature line, or returns an error.
func (m *moody) Cosign(_ context.Context, envelope []byte, size uint64, prove func(uint64) ([]tlog.Hash, error)) ([]byte, error) {
	m.mu.Lock()
	pause, refuses := time.Duration(m.random.IntN(200))*time.Millisecond, m.random.IntN(4) == 0
	m.mu.Unlock()
	time.Sleep(pause)
	if refuses {
		return nil, errors.New("not today")
	}
	if size > 1 {
		if _, err := prove(size / 2); err != nil {
			return nil, err
		}
	}
	text, _, _ := bytes.Cut(envelope, []byte("\n\n"))
	cosigned, err := note.Sign(&note.Note{Text: string(text) + "\n"}, m.cosigner)
	if err != nil {
		return nil, err
	}
	return append(bytes.Clone(envelope), cosigned[len(text)+2:]...), nil
}

// clients appends entries from several clients until each is done, or the log refuses.
func (s *storm) clients(l *tilelog.Log) {
	var wg sync.WaitGroup
	for range 1 + s.random.IntN(4) {
		from, count, pause := s.next, 1+s.random.IntN(100), time.Duration(s.random.IntN(3)*s.random.IntN(120))*time.Millisecond
		s.next += count
		wg.Go(func() {
			for i := range count {
				entry := fmt.Sprintf("entry %d", from+i)
				r, err := l.Append(context.Background(), tilelog.Pending{Entry: []byte(entry)})
				if err != nil {
					return
				}
				if s.o.Witnessed && !bytes.Contains(r.Checkpoint, []byte("— witness.example.com ")) {
					s.t.Errorf("answered without a witness: %s", r.Checkpoint)
				}
				s.mu.Lock()
				s.promises.add(s.t, s.o, acknowledgement{entry, r.Index, r.Checkpoint})
				s.mu.Unlock()
				time.Sleep(pause)
			}
		})
	}
	wg.Wait()
}

// held checks that everything promised is in the log, under checkpoints of one history.
func (s *storm) held(t *testing.T) {
	t.Helper()
	o := s.o
	o.Cosigner, o.Witnessed = nil, false // so that all that is there is shown
	l := mustOpen(t, o)
	s.promises.held(t, l, 0)
	mustClose(t, l)
	entries := checkOn(t, s.disk, s.o.Dir)
	s.promises.are(t, entries)
}

// life runs the log once. It ends with a power failure, possibly while the log is being
// opened, or with a killed process, which leaves more on disk.
func (s *storm) life() {
	synctest.Test(s.t, func(t *testing.T) {
		s.disk.Stop(1 + s.random.IntN(400))
		if l, err := open(s.o); err == nil {
			s.clients(l)
			s.disk.Stop(1)
			l.Close(t.Context())
		}
	})
	if s.random.IntN(3) == 0 {
		s.disk.ProcessKilled()
	} else {
		s.disk.PowerFailed()
	}
}

// TestPowerLoss checks that no acknowledged entry is lost, and that all released checkpoints
// are of one history, when power fails at any disk operation while entries arrive. Unsynced
// writes are lost, or kept in part.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	const lives = 10
	acknowledged := 0
	losses := testkit.Rounds(50, 10_000)
	for seed := range losses / lives {
		s := newStorm(t, uint64(seed))
		for range lives {
			s.life()
		}
		synctest.Test(t, s.held)
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
		acknowledged += len(s.promises.acks)
	}
	t.Logf("power lost %d times: %d entries acknowledged, 0 lost", losses, acknowledged)
}

// faults returns ways in which a disk fails.
func faults(random *rand.Rand) map[string]func(disktest.Operation) error {
	rarely := func(cause error) func(disktest.Operation) error {
		return func(disktest.Operation) error {
			if random.IntN(40) == 0 {
				return cause
			}
			return nil
		}
	}
	when := func(match func(disktest.Operation) bool, cause error) func(disktest.Operation) error {
		return func(o disktest.Operation) error {
			if match(o) {
				return cause
			}
			return nil
		}
	}
	return map[string]func(disktest.Operation) error{
		"EIO now and then": rarely(syscall.EIO),
		"disk full": when(func(o disktest.Operation) bool {
			return o.Name == "writeat" || o.Name == "create" || o.Name == "mkdir"
		}, syscall.ENOSPC),
		"read-only": when(disktest.Operation.Changes, syscall.EROFS),
		"syncs fail": when(func(o disktest.Operation) bool {
			return o.Name == "sync" || o.Name == "syncdata" || o.Name == "syncdir"
		}, syscall.EIO),
	}
}

// TestDiskFails checks that a log on a failing disk reports so, promises nothing that it can't
// keep, and recovers without a restart when the disk does. A power failure after that loses
// nothing promised.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	failures, resumed := 0, 0
	for seed := range testkit.Rounds(2, 1000) {
		s := newStorm(t, uint64(seed))
		for name, fault := range faults(rand.New(rand.NewPCG(uint64(seed), 3))) {
			synctest.Test(t, func(t *testing.T) {
				l := mustOpen(t, s.o)
				s.clients(l)
				s.disk.Fail(fault)
				s.clients(l)
				if err := l.Err(); err != nil {
					failures++
					if !errors.Is(err, tilelog.ErrFailed) && !errors.Is(err, tilelog.ErrUnwitnessed) {
						t.Errorf("%s: %v", name, err)
					}
				}
				s.disk.Fail(nil)
				time.Sleep(2 * tilelog.LastRetry)
				_, err := l.Append(t.Context(), tilelog.Pending{Entry: fmt.Append(nil, name, seed)})
				if err != nil && !errors.Is(err, tilelog.ErrUnwitnessed) {
					t.Fatalf("%s: after it: %v", name, err)
				}
				resumed++
				s.clients(l)
				s.disk.Stop(1 + s.random.IntN(100))
				s.clients(l)
				l.Close(t.Context())
			})
			s.disk.PowerFailed()
		}
		synctest.Test(t, s.held)
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
	t.Logf("%d failures, the log went on %d times", failures, resumed)
}

// TestFullAtStart checks that a log opened on a full disk can be read, refuses entries, and
// accepts them again once there is space.
func TestFullAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := disktest.New(1)
		o := testOptions(t, "/log")
		o.FS = disk
		l := mustOpen(t, o)
		mustAppend(t, l, "entry 0")
		mustClose(t, l)
		disk.Fail(func(op disktest.Operation) error {
			if op.Name == "writeat" {
				return syscall.ENOSPC
			}
			return nil
		})
		l = mustOpen(t, o)
		if err := l.Err(); !errors.Is(err, tilelog.ErrFailed) {
			t.Errorf("opened: %v", err)
		}
		if _, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("entry 1")}); !errors.Is(err, tilelog.ErrFailed) {
			t.Errorf("appended: %v", err)
		}
		time.Sleep(10 * time.Minute)
		if err := l.Err(); !errors.Is(err, tilelog.ErrFailed) {
			t.Errorf("while it is full: %v", err)
		}
		disk.Fail(nil)
		time.Sleep(2 * tilelog.LastRetry)
		if r := mustAppend(t, l, "entry 1"); r.Index != 1 {
			t.Errorf("goes on at %d", r.Index)
		}
		mustClose(t, l)
	})
}
