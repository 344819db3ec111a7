// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/internal/tilelog/posix"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// witnessedLog opens a log that asks these witnesses.
func witnessedLog(t testing.TB, dir string, witnessed bool, quorum int, all ...Peer) *tilelog.Log {
	t.Helper()
	signer, err := checkpoint.NewSigner(origin, seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := checkpoint.NewVerifier(origin, seeded(1).Public())
	if err != nil {
		t.Fatal(err)
	}
	peers, err := NewPeers(PeersOptions{Peers: all, Quorum: quorum, Timeout: time.Second, HTTP: http.DefaultClient})
	if err != nil {
		t.Fatal(err)
	}
	l, err := tilelog.Open(tilelog.Options{
		Storage: posix.Storage(posix.Options{Dir: dir}), Origin: origin, Signers: []note.Signer{signer}, Verifiers: []note.Verifier{verifier},
		Format: tilelog.EntryBundles(), Dedup: true, Clock: time.Now, Logger: options("", 2, nil, "").Logger,
		Cosigner: peers, Witnessed: witnessed,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(context.Background()) })
	return l
}

// cosignatures counts the lines of witnesses on a checkpoint.
func cosignatures(t testing.TB, envelope []byte, all ...Peer) int {
	t.Helper()
	n := 0
	for _, p := range all {
		verifier, err := p.Key.Verifier()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := checkpoint.Open(envelope, verifier); err == nil {
			n++
		}
	}
	return n
}

// switchable returns a witness that can be turned off.
func switchable(t testing.TB, name string, seed byte) (p Peer, set func(on bool)) {
	t.Helper()
	w := open(t, options(name, seed, nil, t.TempDir()))
	var mu sync.Mutex
	on := true
	h := w.Handler()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		answers := on
		mu.Unlock()
		if !answers {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(rw, r)
	}))
	t.Cleanup(s.Close)
	p = serve(t, name, seed)
	p.URL = s.URL
	return p, func(state bool) {
		mu.Lock()
		defer mu.Unlock()
		on = state
	}
}

// TestWitnessedLog checks a log that requires cosignatures, with many concurrent entries. Each
// is answered with a cosigned checkpoint. While witnesses do not cosign, no entry is answered
// and no request hangs. When they cosign again, the unanswered entries are in the log.
func TestWitnessedLog(t *testing.T) {
	t.Parallel()
	first, second := serve(t, "witness.example.com/w1", 2), serve(t, "witness.example.com/w2", 3)
	third, turn := switchable(t, "witness.example.com/w3", 4)
	all := []Peer{first, second, third}
	l := witnessedLog(t, t.TempDir(), true, 3, all...)
	var wg sync.WaitGroup
	waits := make([]time.Duration, 200)
	for i := range waits {
		wg.Go(func() {
			start := time.Now()
			r, err := l.Append(t.Context(), tilelog.Pending{Entry: fmt.Append(nil, "entry ", i)})
			waits[i] = time.Since(start)
			if err != nil || cosignatures(t, r.Checkpoint, all...) != 3 {
				t.Errorf("entry %d: %s, %v", i, r.Checkpoint, err)
			}
		})
	}
	wg.Wait()
	slices.Sort(waits)
	t.Logf("200 entries at once: p50 %v, p99 %v", waits[100], waits[198])
	turn(false)
	for _, entry := range []string{"unanswered", "refused at once"} {
		if _, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte(entry)}); !errors.Is(err, tilelog.ErrUnwitnessed) {
			t.Errorf("%s: %v", entry, err)
		}
	}
	if err := l.Err(); !errors.Is(err, tilelog.ErrUnwitnessed) {
		t.Errorf("the log says %v", err)
	}
	turn(true)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		r, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("unanswered")})
		if err == nil && r.Index == 200 && cosignatures(t, r.Checkpoint, all...) == 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is not answered again: %+v, %v", r, err)
		}
	}
}

// TestUnwaitedWitnesses checks that a log whose witnesses are optional answers at once, and
// publishes a cosigned checkpoint a little later.
func TestUnwaitedWitnesses(t *testing.T) {
	t.Parallel()
	p, turn := switchable(t, "witness.example.com/w1", 2)
	turn(false)
	dir := t.TempDir()
	l := witnessedLog(t, dir, false, 1, p)
	r, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("entry")})
	if err != nil || cosignatures(t, r.Checkpoint, p) != 0 {
		t.Fatalf("%s, %v", r.Checkpoint, err)
	}
	shown := func(cosigned int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			envelope, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
			if err != nil {
				t.Fatal(err)
			}
			if c, err := checkpoint.ParseText(string(envelope[:slices.Index(envelope, 0xe2)-1])); err == nil && c.Size == 1 && cosignatures(t, envelope, p) == cosigned {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("shown is %s", envelope)
			}
		}
	}
	shown(0)
	turn(true)
	shown(1)
}

// TestClosedUnwitnessed checks that a log closed while its witnesses are unavailable has lost
// nothing when it is reopened.
func TestClosedUnwitnessed(t *testing.T) {
	t.Parallel()
	p, turn := switchable(t, "witness.example.com/w1", 2)
	dir := t.TempDir()
	l := witnessedLog(t, dir, true, 1, p)
	if _, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("entry 0")}); err != nil {
		t.Fatal(err)
	}
	turn(false)
	if _, err := l.Append(t.Context(), tilelog.Pending{Entry: []byte("entry 1")}); !errors.Is(err, tilelog.ErrUnwitnessed) {
		t.Fatal(err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	turn(true)
	r, err := witnessedLog(t, dir, true, 1, p).Append(t.Context(), tilelog.Pending{Entry: []byte("entry 1")})
	if err != nil || r.Index != 1 || r.Size != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}
