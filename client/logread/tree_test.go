// SPDX-License-Identifier: Apache-2.0

package logread_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// served serves the log over HTTP with a plain file server.
func (m *made) served(t testing.TB) *logread.Log {
	t.Helper()
	s := httptest.NewServer(http.StripPrefix("/some/prefix", http.FileServer(http.Dir(m.dir))))
	t.Cleanup(s.Close)
	return &logread.Log{Source: logread.HTTP{URL: s.URL + "/some/prefix", Client: client.NewHTTP(time.Minute, nil)}, Keys: m.keys}
}

func TestReadBothWays(t *testing.T) {
	t.Parallel()
	m := newMade(t, 2*tile.Width+40, 10)
	for name, l := range map[string]*logread.Log{"directory": m.log(), "HTTP": m.served(t)} {
		t.Run(name, func(t *testing.T) {
			head, err := l.Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			next := uint64(250)
			for e, err := range l.Entries(t.Context(), head, 250, 540) {
				if err != nil || e.Index != next || !strings.HasPrefix(string(e.Raw), fmt.Sprintf("entry %d.", next)) || e.Leaf != m.leaves[next] {
					t.Fatalf("entry %d: %+v, %v", next, e, err)
				}
				next++
			}
			if next != 540 {
				t.Errorf("%d entries were given", next-250)
			}
			for _, index := range []uint64{0, 255, 256, 551} {
				e, p, err := l.Prove(t.Context(), head, index)
				if err != nil || e.Index != index || p.Verify(head.Root, m.leaves[index]) != nil {
					t.Errorf("entry %d: %+v, %v", index, p, err)
				}
			}
			for _, sizes := range [][2]uint64{{0, 5}, {1, 552}, {256, 300}, {511, 552}, {552, 552}} {
				proof, err := l.Consistency(t.Context(), head, sizes[0], sizes[1])
				if err == nil {
					err = tile.VerifyConsistency(proof, sizes[0], root(m.leaves[:sizes[0]]), sizes[1], root(m.leaves[:sizes[1]]))
				}
				if err != nil {
					t.Errorf("%v: %v", sizes, err)
				}
			}
			if _, _, err := l.Prove(t.Context(), head, 552); !errors.Is(err, logread.ErrBehind) {
				t.Errorf("an entry beyond: %v", err)
			}
			if _, err := l.RootAt(t.Context(), head, 553); !errors.Is(err, logread.ErrBehind) {
				t.Errorf("a size beyond: %v", err)
			}
			if r := check(t, l); len(r.Findings) > 0 {
				t.Errorf("found %v", r.Findings)
			}
		})
	}
}

// TestFallBack checks that full tiles are read if the partial ones are gone.
func TestFallBack(t *testing.T) {
	t.Parallel()
	m := newMade(t, tile.Width+40, 10)
	old, err := m.log().Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.grow(t, tile.Width, 10)
	for _, path := range []string{"tile/0/001.p", "tile/entries/001.p", "tile/1/000.p/1"} {
		if err := os.RemoveAll(filepath.Join(m.dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := m.log().Prove(t.Context(), old, 270); err != nil {
		t.Errorf("directory: %v", err) // from tile/1/000.p/2
	}
	m.grow(t, 254*tile.Width, 0)
	if _, _, err := m.served(t).Prove(t.Context(), old, 270); err != nil {
		t.Errorf("HTTP: %v", err)
	}
}

// TestDamageIsNotGivenOut checks that nothing is returned from a file with a flipped byte.
func TestDamageIsNotGivenOut(t *testing.T) {
	t.Parallel()
	m := newMade(t, tile.Width+3, 1)
	head, err := m.log().Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"tile/entries/000", "tile/0/000", "tile/1/000.p/1", "tile/0/001.p/3"} {
		content, err := os.ReadFile(filepath.Join(m.dir, path))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(content); i += 31 {
			mangled := append([]byte(nil), content...)
			mangled[i] ^= 1
			m.write(t, path, mangled)
			if _, _, err := m.log().Prove(t.Context(), head, 17); !errors.Is(err, logread.ErrDamaged) {
				t.Fatalf("%s, byte %d: %v", path, i, err)
			}
		}
		m.write(t, path, content)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	m := newMade(t, 3, 1)
	good := m.show(t, 3)
	other := newMade(t, 3, 1)
	for name, c := range map[string]struct {
		envelope []byte
		want     error
	}{
		"another log's key": {other.show(t, 3), logread.ErrCheckpoint},
		"another origin":    {[]byte(strings.ReplaceAll(string(good), origin, "log.example.net")), logread.ErrUnknown},
		"another size":      {[]byte(strings.Replace(string(good), "\n3\n", "\n4\n", 1)), logread.ErrCheckpoint},
		"nothing":           {nil, logread.ErrCheckpoint},
		"a megabyte":        {[]byte(strings.Repeat("a\n", 1<<19)), logread.ErrCheckpoint},
		"text alone":        {[]byte(strings.Split(string(good), "\n\n")[0] + "\n"), logread.ErrCheckpoint},
		"a line after it":   {append(append([]byte(nil), good...), "x\n"...), logread.ErrCheckpoint},
	} {
		if _, err := m.log().Open(c.envelope); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.log().Open(good); err != nil {
		t.Error(err)
	}
}

// FuzzOpen checks that only envelopes signed by the key are accepted.
func FuzzOpen(f *testing.F) {
	m := newMade(f, 3, 1)
	good := m.show(f, 3)
	f.Add(good)
	f.Fuzz(func(t *testing.T, envelope []byte) {
		h, err := m.log().Open(envelope)
		if err == nil && (h.Size != 3 || h.Root != root(m.leaves)) {
			t.Errorf("%q is a head", envelope)
		}
	})
}
