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

// cosign has a tree of so many leaves cosigned, and says how many have.
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

// Two of three is enough, whichever they are, through restarts of either side.
func TestQuorum(t *testing.T) {
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
	// A log that was restarted does not know where the witnesses are; they say it.
	if n, err := cosign(t, peersOf(t, 2, down, first, second), tr, 301); n != 2 || err != nil {
		t.Errorf("after a restart: %d, %v", n, err)
	}
	if _, err := cosign(t, peersOf(t, 2, down, first), tr, 302); !errors.Is(err, ErrQuorum) || !strings.Contains(err.Error(), "witness.example.com/down") {
		t.Errorf("one of two: %v", err)
	}
}

// A log that has lost entries, or that is another with the same key, gets nothing.
func TestLostEntries(t *testing.T) {
	p := serve(t, "witness.example.com/w1", 2)
	if _, err := cosign(t, peersOf(t, 1, p), newTree(t, seeded(1), 0), 9); err != nil {
		t.Fatal(err)
	}
	if _, err := cosign(t, peersOf(t, 1, p), newTree(t, seeded(1), 0), 5); !errors.Is(err, ErrQuorum) || !strings.Contains(err.Error(), "entries were lost") {
		t.Errorf("fewer entries: %v", err)
	}
	if _, err := cosign(t, peersOf(t, 1, p), newTree(t, seeded(1), 3), 12); !errors.Is(err, ErrQuorum) {
		t.Errorf("a fork: %v", err)
	}
}

// Whatever a witness answers, only lines that verify with its key count.
func TestLyingWitness(t *testing.T) {
	honest := serve(t, "witness.example.com/w1", 2)
	impostor := serve(t, "witness.example.com/w1", 5) // the name, and another key
	impostor.Key = honest.Key
	tr := newTree(t, seeded(1), 0)
	if _, err := cosign(t, peersOf(t, 1, impostor), tr, 3); !errors.Is(err, ErrQuorum) {
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
		if _, err := cosign(t, peersOf(t, 1, Peer{URL: s.URL, Key: honest.Key}), tr, 3); !errors.Is(err, ErrQuorum) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

func TestPeersRefused(t *testing.T) {
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
