// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/witness"
)

func TestMain(m *testing.M) { testkit.Parallel(m) }

const origin = "log.example.com"

func seeded(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

// A tree is a log of numbers, computed by x/mod. Leaves from fork on differ from those of a
// tree without fork.
type tree struct {
	stored []tlog.Hash
	size   int
	fork   int
	signer note.Signer
}

func newTree(t testing.TB, key ed25519.PrivateKey, fork int) *tree {
	signer, err := checkpoint.NewSigner(origin, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tree{fork: fork, signer: signer}
}

func (tr *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = tr.stored[index]
	}
	return hashes, nil
}

// request asks for a cosignature over the first size leaves, proven from old.
func (tr *tree) request(t testing.TB, old, size int) witness.Request {
	t.Helper()
	for ; tr.size < size; tr.size++ {
		leaf := fmt.Append(nil, tr.size)
		if tr.fork > 0 && tr.size >= tr.fork {
			leaf = append(leaf, "forked"...)
		}
		hashes, err := tlog.StoredHashes(int64(tr.size), leaf, tr)
		if err != nil {
			t.Fatal(err)
		}
		tr.stored = append(tr.stored, hashes...)
	}
	root, err := tlog.TreeHash(int64(size), tr)
	if err != nil {
		t.Fatal(err)
	}
	r := witness.Request{Old: uint64(old)}
	if r.Checkpoint, err = checkpoint.Sign(checkpoint.Checkpoint{Origin: origin, Size: uint64(size), Root: root}, tr.signer); err != nil {
		t.Fatal(err)
	}
	if old > 0 && old <= size {
		if r.Proof, err = tr.prove(size)(uint64(old)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (tr *tree) prove(size int) func(old uint64) ([]tlog.Hash, error) {
	return func(old uint64) ([]tlog.Hash, error) { return tlog.ProveTree(int64(size), int64(old), tr) }
}

func options(name string, seed byte, fsys durable.FS, dir string) Options {
	log := checkpoint.Key{Name: origin, Public: seeded(1).Public().(ed25519.PublicKey)}
	return Options{
		Dir: dir, FS: fsys, Name: name, Key: seeded(seed), Logs: []checkpoint.Key{log},
		Clock: time.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func open(t testing.TB, o Options) *Witness {
	t.Helper()
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// serve runs a witness and returns it as a Peer.
func serve(t testing.TB, name string, seed byte) Peer {
	t.Helper()
	w := open(t, options(name, seed, nil, t.TempDir()))
	s := httptest.NewServer(w.Handler())
	t.Cleanup(s.Close)
	return Peer{URL: s.URL, Key: checkpoint.Key{Name: name, Public: seeded(seed).Public().(ed25519.PublicKey), Cosigning: true}}
}

func post(t *testing.T, url string, r witness.Request) (status int, contentType, body string) {
	t.Helper()
	raw, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return postRaw(t, url, raw)
}

func postRaw(t *testing.T, url string, raw []byte) (status int, contentType, body string) {
	t.Helper()
	resp, err := http.Post(url+witness.Path, "text/plain", bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(answer)
}

// TestProtocol checks each answer of the protocol, in its order, over a socket.
func TestProtocol(t *testing.T) {
	t.Parallel()
	p := serve(t, "witness.example.com/w1", 2)
	honest, forked, foreign := newTree(t, seeded(1), 0), newTree(t, seeded(1), 3), newTree(t, seeded(9), 0)
	unknown := honest.request(t, 0, 1)
	unknown.Checkpoint = bytes.Replace(unknown.Checkpoint, []byte(origin), []byte("other.example.com"), 1)
	wrongProof := honest.request(t, 5, 9)
	wrongProof.Proof[0][0] ^= 1
	needless := honest.request(t, 0, 2)
	needless.Proof = []tlog.Hash{{}}
	for _, step := range []struct {
		name   string
		r      witness.Request
		status int
		body   string
	}{
		{"unknown log", unknown, 404, ""},
		{"another key", foreign.request(t, 0, 2), 403, ""},
		{"proof of nothing", needless, 422, ""},
		{"not from the start", honest.request(t, 2, 5), 409, "0\n"},
		{"the first", honest.request(t, 0, 5), 200, ""},
		{"the same again", honest.request(t, 5, 5), 200, ""},
		{"from the start again", honest.request(t, 0, 7), 409, "5\n"},
		{"old beyond the new", honest.request(t, 7, 5), 400, ""},
		{"a smaller one", honest.request(t, 3, 4), 409, "5\n"},
		{"a fork of the same size", forked.request(t, 5, 5), 409, ""},
		{"a fork", forked.request(t, 5, 9), 422, ""},
		{"a wrong proof", wrongProof, 422, ""},
		{"the next", honest.request(t, 5, 9), 200, ""},
	} {
		status, contentType, body := post(t, p.URL, step.r)
		if status != step.status || step.body != "" && (body != step.body || contentType != witness.TypeSize) {
			t.Errorf("%s: %d %q %q", step.name, status, contentType, body)
		}
		if status == http.StatusConflict && step.body == "" && contentType == witness.TypeSize {
			t.Errorf("%s: answered with a size", step.name)
		}
		if status != http.StatusOK {
			continue
		}
		verifier, err := p.Key.Verifier()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := checkpoint.Open(append(bytes.Clone(step.r.Checkpoint), body...), verifier); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
	for name, raw := range map[string][]byte{"garbage": []byte("garbage"), "too long": make([]byte, witness.MaxRequest+1)} {
		if status, _, _ := postRaw(t, p.URL, raw); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
}

// TestNeverBackwards checks that no two cosignatures are of inconsistent trees, with many
// concurrent requests and restarts after power failures at any moment.
func TestNeverBackwards(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		disk := disktest.New(seed)
		trees := []*tree{newTree(t, seeded(1), 0), newTree(t, seeded(1), 1+int(seed%7))}
		for _, tr := range trees {
			tr.request(t, 0, 20) // grown before many read it
		}
		roots := map[uint64]tlog.Hash{}
		var mu sync.Mutex
		given := 0
		for life := range 4 {
			disk.Stop(1 + int(seed+uint64(life)*7)%40)
			w, err := New(options("witness.example.com", 2, disk, "/witness"))
			if err != nil {
				disk.PowerFailed()
				continue
			}
			var wg sync.WaitGroup
			for i, tr := range trees {
				wg.Go(func() {
					old := 0
					for size := 1 + i; size <= 20; size += 3 {
						lines, err := w.cosign(tr.request(t, old, size))
						other := new(conflict)
						if errors.As(err, &other) && other.size < uint64(size) {
							old = int(other.size)
							lines, err = w.cosign(tr.request(t, old, size))
						}
						if err != nil {
							continue
						}
						old = size
						root, _ := tlog.TreeHash(int64(size), tr)
						mu.Lock()
						given++
						if before, ok := roots[uint64(size)]; ok && before != root {
							t.Errorf("seed %d: two roots of size %d", seed, size)
						}
						roots[uint64(size)] = root
						mu.Unlock()
						if !strings.HasPrefix(string(lines), "— witness.example.com ") {
							t.Errorf("%q", lines)
						}
					}
				})
			}
			wg.Wait()
			w.Close()
			disk.PowerFailed()
			if w, err = New(options("witness.example.com", 2, disk, "/witness")); err != nil {
				t.Fatalf("seed %d: a crash has the witness refused: %v", seed, err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		consistent(t, seed, trees, roots)
		if t.Failed() {
			return
		}
	}
}

// consistent checks that all roots are of one tree.
func consistent(t *testing.T, seed uint64, trees []*tree, roots map[uint64]tlog.Hash) {
	t.Helper()
	for _, tr := range trees {
		all := true
		for size, root := range roots {
			if got, _ := tlog.TreeHash(int64(size), tr); got != root {
				all = false
			}
		}
		if all {
			return
		}
	}
	t.Errorf("seed %d: the roots cosigned are of two trees", seed)
}

// TestState checks that a witness continues from the state on its disk, and refuses an invalid
// checkpoint there, and a second process.
func TestState(t *testing.T) {
	t.Parallel()
	disk := disktest.New(1)
	o := options("witness.example.com", 2, disk, "/witness")
	tr := newTree(t, seeded(1), 0)
	w := open(t, o)
	if _, err := w.cosign(tr.request(t, 0, 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("a second process: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, o)
	var other *conflict
	if _, err := again.cosign(tr.request(t, 0, 7)); !errors.As(err, &other) || other.size != 5 {
		t.Errorf("begins again from %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	var files durable.Batch
	files.FS = disk
	if err := files.Write(w.logs[origin].file, []byte("not a checkpoint\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o); err == nil {
		t.Error("opened with an invalid state")
	}
}
