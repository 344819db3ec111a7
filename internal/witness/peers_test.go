// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"crypto/ed25519"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

func peersOf(t *testing.T, quorum int, all ...Peer) *Peers {
	t.Helper()
	p, err := NewPeers(PeersOptions{Peers: all, Quorum: quorum, Timeout: 10 * time.Second, HTTP: http.DefaultClient})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// cosign requests cosignatures on a tree of that many leaves, and returns how many it got.
func cosign(t *testing.T, p *Peers, tr *tree, size int) (int, error) {
	t.Helper()
	r := tr.request(t, 0, size)
	cosigned, err := p.Cosign(t.Context(), r.Checkpoint, uint64(size), tr.prove(size))
	if err != nil {
		return 0, err
	}
	verifiers := []note.Verifier{}
	for _, one := range p.peers {
		verifiers = append(verifiers, one.verifier)
	}
	_, n, err := checkpoint.Open(cosigned, verifiers...)
	if err != nil {
		t.Fatal(err)
	}
	return len(n.Sigs), nil
}

// TestQuorum checks that any two of three witnesses are enough, through restarts of either
// side.
func TestQuorum(t *testing.T) {
	t.Parallel()
	down := serve(t, "witness.example.com/down", 4)
	down.URL = "http://127.0.0.1:1"
	first, second := serve(t, "witness.example.com/w1", 2), serve(t, "witness.example.com/w2", 3)
	tr := newTree(t, seeded(1), 0)
	p := peersOf(t, 2, down, first, second)
	for _, size := range []int{1, 2, 2, 300} {
		if n, err := cosign(t, p, tr, size); n != 2 || err != nil {
			t.Errorf("%d leaves: %d cosignatures, %v", size, n, err)
		}
	}
	// A restarted log does not know the size of each witness; they report it.
	if n, err := cosign(t, peersOf(t, 2, down, first, second), tr, 301); n != 2 || err != nil {
		t.Errorf("after a restart: %d, %v", n, err)
	}
	if _, err := cosign(t, peersOf(t, 2, down, first), tr, 302); !errors.Is(err, errQuorum) || !strings.Contains(err.Error(), "witness.example.com/down") {
		t.Errorf("one of two: %v", err)
	}
}

// TestLostEntries checks that a log that has lost entries, or another log with the same key,
// gets no cosignatures.
func TestLostEntries(t *testing.T) {
	t.Parallel()
	p := serve(t, "witness.example.com/w1", 2)
	if _, err := cosign(t, peersOf(t, 1, p), newTree(t, seeded(1), 0), 9); err != nil {
		t.Fatal(err)
	}
	if _, err := cosign(t, peersOf(t, 1, p), newTree(t, seeded(1), 0), 5); !errors.Is(err, errQuorum) || !strings.Contains(err.Error(), "entries were lost") {
		t.Errorf("fewer entries: %v", err)
	}
	if _, err := cosign(t, peersOf(t, 1, p), newTree(t, seeded(1), 3), 12); !errors.Is(err, errQuorum) {
		t.Errorf("a fork: %v", err)
	}
}

// TestLyingWitness checks that only lines that verify with the witness's key count.
func TestLyingWitness(t *testing.T) {
	t.Parallel()
	honest := serve(t, "witness.example.com/w1", 2)
	impostor := serve(t, "witness.example.com/w1", 5) // the name, and another key
	impostor.Key = honest.Key
	tr := newTree(t, seeded(1), 0)
	if _, err := cosign(t, peersOf(t, 1, impostor), tr, 3); !errors.Is(err, errQuorum) {
		t.Errorf("another key: %v", err)
	}
	for name, answer := range map[string]http.HandlerFunc{
		"nothing":  func(http.ResponseWriter, *http.Request) {},
		"garbage":  func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("— x y\n")) },
		"too much": func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, maxLines+1)) },
		"a size that is none": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/x.tlog.size")
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte("many\n"))
		},
		"sizes for ever": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/x.tlog.size")
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte("1\n"))
		},
	} {
		s := httptest.NewServer(answer)
		if _, err := cosign(t, peersOf(t, 1, Peer{URL: s.URL, Key: honest.Key}), tr, 3); !errors.Is(err, errQuorum) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

func TestPeersRefused(t *testing.T) {
	t.Parallel()
	p := serve(t, "witness.example.com/w1", 2)
	again := p
	again.Key.Name = "witness.example.com/again"
	log := Peer{URL: p.URL, Key: checkpoint.Key{Name: origin, Public: seeded(1).Public().(ed25519.PublicKey)}}
	for name, o := range map[string]PeersOptions{
		"no quorum":            {Peers: []Peer{p}},
		"more than there are":  {Peers: []Peer{p}, Quorum: 2},
		"one key, twice":       {Peers: []Peer{p, again}, Quorum: 2},
		"the key of a log":     {Peers: []Peer{log}, Quorum: 1},
		"no witnesses at all":  {Quorum: 0},
		"negative, all agreed": {Peers: []Peer{p}, Quorum: -1},
	} {
		if _, err := NewPeers(o); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

// TestNewest checks that every cosigned checkpoint beyond the log is reported, as needed to
// restore a log.
func TestNewest(t *testing.T) {
	t.Parallel()
	first, second := serve(t, "witness.example.com/w1", 2), serve(t, "witness.example.com/w2", 3)
	down := serve(t, "witness.example.com/down", 4)
	down.URL = "http://127.0.0.1:1"
	tr := newTree(t, seeded(1), 0)
	ask := func(tr *tree, size int) (int, []error) {
		t.Helper()
		agree, others := peersOf(t, 2, first, second, down).Newest(t.Context(), tr.request(t, 0, size).Checkpoint, uint64(size), tr.prove(size))
		if len(agree)+len(others) != 3 {
			t.Errorf("%v agree, %v do not", agree, others)
		}
		return len(agree), others
	}
	if _, err := cosign(t, peersOf(t, 1, first), tr, 9); err != nil {
		t.Fatal(err)
	}
	// The second witness does not know the log yet, so it has seen nothing beyond.
	if agree, others := ask(tr, 9); agree != 2 || !strings.Contains(errors.Join(others...).Error(), "witness.example.com/down") {
		t.Errorf("%d agree, %v", agree, others)
	}
	if _, err := cosign(t, peersOf(t, 1, first), tr, 12); err != nil {
		t.Fatal(err)
	}
	agree, others := ask(tr, 9)
	ahead := new(Ahead)
	if agree != 1 || !errors.As(errors.Join(others...), &ahead) || ahead.Cosigned != 12 || ahead.Asked != 9 {
		t.Errorf("%d agree, %v", agree, others)
	}
	// A fork is found, whether it is longer or of the same size.
	for _, size := range []int{12, 13} {
		if _, others := ask(newTree(t, seeded(1), 3), size); !errors.Is(errors.Join(others...), ErrOtherTree) {
			t.Errorf("another tree of %d: %v", size, others)
		}
	}
}

// TestEnough checks which numbers of witnesses intersect every quorum.
func TestEnough(t *testing.T) {
	t.Parallel()
	var all []Peer
	for i := range byte(5) {
		all = append(all, serve(t, "witness.example.com/w", 10+i))
		p := peersOf(t, len(all), all...)
		if p.Enough(0) || !p.Enough(1) {
			t.Errorf("all of %d must cosign, and one is not enough", len(all))
		}
		if p := peersOf(t, 1, all...); p.Enough(len(all)-1) || !p.Enough(len(all)) {
			t.Errorf("one of %d must cosign, and not all are asked for", len(all))
		}
	}
	if p := peersOf(t, 3, all...); p.Enough(2) || !p.Enough(3) {
		t.Error("three of five")
	}
}

// TestWrongSizeIsForgotten checks that an unsigned size of a witness, which is too large, is
// used once only.
func TestWrongSizeIsForgotten(t *testing.T) {
	t.Parallel()
	p, lie := serve(t, "witness.example.com/w1", 2), true
	honest := p.URL
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lie {
			w.Header().Set("Content-Type", "text/x.tlog.size")
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte("9223372036854775807\n"))
			return
		}
		http.Redirect(w, r, honest+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	p.URL = s.URL
	tr, peers, ahead := newTree(t, seeded(1), 0), peersOf(t, 1, p), new(Ahead)
	if _, err := cosign(t, peers, tr, 3); !errors.As(err, &ahead) {
		t.Errorf("a witness that is ahead: %v", err)
	}
	lie = false
	if n, err := cosign(t, peers, tr, 3); n != 1 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}
