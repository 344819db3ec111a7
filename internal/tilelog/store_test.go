// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
)

// on returns the options of a log on shared storage.
func on(t testing.TB, m *memory) options {
	o := testOptions(t, "")
	o.Storage = m.storage()
	return o
}

// all returns the entries of the published log.
func all(t testing.TB, l *tilelog.Log) [][]byte {
	t.Helper()
	var entries [][]byte
	for entry, err := range l.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry)
	}
	return entries
}

// TestTwoWriters checks that two processes can append to one log, some entries in both. Each
// replays what the other was promised: no entry is lost or logged twice, and each size has one
// checkpoint.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	m := newMemory()
	var mu sync.Mutex
	var p promises
	var clients sync.WaitGroup
	logs := []*tilelog.Log{mustOpen(t, on(t, m)), mustOpen(t, on(t, m))}
	const callers, each = 8, 100
	for writer, l := range logs {
		for caller := range callers {
			clients.Go(func() {
				for i := range each {
					entry := fmt.Sprintf("writer %d caller %d entry %d", writer, caller, i)
					if i%2 == 0 {
						entry = fmt.Sprintf("caller %d entry %d", caller, i)
					}
					r, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte(entry)})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					p.add(t, on(t, m), acknowledgement{entry, r.Index, r.Checkpoint})
					mu.Unlock()
				}
			})
		}
	}
	clients.Wait()
	for _, l := range logs {
		mustClose(t, l)
	}
	l := mustOpen(t, on(t, m))
	p.held(t, l, 0)
	entries := all(t, l)
	p.are(t, entries)
	const want = callers * (each/2 + 2*each/2)
	if len(entries) != want || len(p.acks) != 2*callers*each {
		t.Errorf("%d entries, want %d; %d acknowledged", len(entries), want, len(p.acks))
	}
}

// TestMakeAfterOther checks that an entry made with its index gets an index after everything
// that another process has appended.
func TestMakeAfterOther(t *testing.T) {
	t.Parallel()
	m := newMemory()
	a, b := mustOpen(t, on(t, m)), mustOpen(t, on(t, m))
	mustAppend(t, a, "of a")
	mustAppend(t, b, "of b")
	r, err := a.Append(t.Context(), tilelog.Pending{Make: func(index uint64, _ time.Time) ([]byte, error) {
		return fmt.Append(nil, "made as ", index), nil
	}})
	if err != nil || r.Index != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if r := mustAppend(t, b, "made as 2"); r.Index != 2 || r.Size != 3 {
		t.Errorf("the other writer does not know the entry: %d of %d", r.Index, r.Size)
	}
}

// TestCommitInDoubt checks that a commit with an unknown result is not answered, and that the
// reopened log finds the entry at its index.
func TestCommitInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := mustOpen(t, on(t, m))
		mustAppend(t, l, "before")
		m.mu.Lock()
		m.doubt = errors.New("connection is gone")
		m.mu.Unlock()
		if _, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("in doubt")}); !errors.Is(err, tilelog.ErrFailed) {
			t.Errorf("answered: %v", err)
		}
		time.Sleep(tilelog.LastRetry)
		if r := mustAppend(t, l, "in doubt"); r.Index != 1 || r.Size != 2 {
			t.Errorf("%d of %d", r.Index, r.Size)
		}
		mustClose(t, l)
	})
}

// TestWentBackOther checks that a log does not continue on storage that has lost promised
// entries.
func TestWentBackOther(t *testing.T) {
	t.Parallel()
	m := newMemory()
	l := mustOpen(t, on(t, m))
	mustAppend(t, l, "lost")
	m.mu.Lock()
	m.batches, m.known = nil, map[tlog.Hash]uint64{}
	m.mu.Unlock()
	if _, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("another")}); !errors.Is(err, tilelog.ErrSeenMore) {
		t.Errorf("storage that has lost an entry: %v", err)
	}
	l.Close(context.Background())
}

// TestModelShared checks that random operations of several processes, opened and closed at any
// time, have the same effect on a log on shared storage as on the model.
func TestModelShared(t *testing.T) {
	t.Parallel()
	steps := testkit.Rounds(1500, 300_000)
	random := rand.New(rand.NewPCG(uint64(steps), 5))
	m, shared := &model{indices: map[string]uint64{}}, newMemory()
	for done := 0; done < steps; {
		synctest.Test(t, func(t *testing.T) {
			var logs []*tilelog.Log
			for range 1 + random.IntN(3) {
				logs = append(logs, mustOpen(t, on(t, shared)))
			}
			for range 1 + random.IntN(500) {
				m.step(t, logs[random.IntN(len(logs))], random)
				done++
			}
			for _, l := range logs {
				mustClose(t, l)
			}
		})
	}
	l := mustOpen(t, on(t, shared))
	entries := all(t, l)
	if len(entries) != len(m.entries) {
		t.Fatalf("%d entries, want %d", len(entries), len(m.entries))
	}
	for i, entry := range entries {
		if string(entry) != m.entries[i] {
			t.Fatalf("entry %d is %q, want %q", i, entry, m.entries[i])
		}
	}
}
