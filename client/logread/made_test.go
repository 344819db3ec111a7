// SPDX-License-Identifier: Apache-2.0

package logread_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

const origin = "log.example.com"

// A made is a log that a test has written, without the package under test.
type made struct {
	dir    string
	signer note.Signer
	keys   []logread.Key
	leaves []tlog.Hash
	bundle []byte             // of the entries since the last full tile
	entry  func(i int) []byte // in place of text
}

func newMade(t testing.TB, size, entrySize int) *made {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	m := &made{dir: t.TempDir()}
	if m.signer, err = checkpoint.NewSigner(origin, key); err != nil {
		t.Fatal(err)
	}
	verifier, err := checkpoint.NewVerifier(origin, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	m.keys = []logread.Key{{Origin: origin, Verifier: verifier, Format: logread.Tiles()}}
	m.grow(t, size, entrySize)
	return m
}

func (m *made) log() *logread.Log { return &logread.Log{Source: logread.Dir(m.dir), Keys: m.keys} }

// grow writes the log with more entries.
func (m *made) grow(t testing.TB, more, entrySize int) {
	t.Helper()
	pad := bytes.Repeat([]byte("."), entrySize)
	for range more {
		entry := append([]byte(fmt.Sprint("entry ", len(m.leaves))), pad...)
		if m.entry != nil {
			entry = m.entry(len(m.leaves))
		}
		m.leaves = append(m.leaves, tile.LeafHash(entry))
		var err error
		if m.bundle, err = tile.AppendEntry(m.bundle, entry); err != nil {
			t.Fatal(err)
		}
		if len(m.leaves)%tile.Width == 0 {
			m.write(t, tile.Path(tile.LevelEntries, uint64(len(m.leaves)/tile.Width-1), tile.Width), m.bundle)
			m.bundle = nil
		}
	}
	if w := len(m.leaves) % tile.Width; w > 0 {
		m.write(t, tile.Path(tile.LevelEntries, uint64(len(m.leaves)/tile.Width), w), m.bundle)
	}
	hashes := m.leaves
	for level := 0; len(hashes) > 0; level++ {
		var above []tlog.Hash
		for n := 0; n*tile.Width < len(hashes); n++ {
			content := hashes[n*tile.Width : min(len(hashes), (n+1)*tile.Width)]
			var raw []byte
			for _, h := range content {
				raw = append(raw, h[:]...)
			}
			m.write(t, tile.Path(level, uint64(n), len(content)), raw)
			if len(content) == tile.Width {
				above = append(above, root(content))
			}
		}
		hashes = above
	}
	m.show(t, len(m.leaves))
}

// show writes the checkpoint of the first size entries.
func (m *made) show(t testing.TB, size int) []byte {
	t.Helper()
	c := checkpoint.Checkpoint{Origin: origin, Size: uint64(size), Root: root(m.leaves[:size])}
	envelope, err := checkpoint.Sign(c, m.signer)
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, "checkpoint", envelope)
	return envelope
}

// root computes the recursion of RFC 6962 §2.1.
func root(leaves []tlog.Hash) tlog.Hash {
	switch len(leaves) {
	case 0:
		empty, _ := tlog.TreeHash(0, nil)
		return empty
	case 1:
		return leaves[0]
	}
	half := 1
	for 2*half < len(leaves) {
		half *= 2
	}
	return tlog.NodeHash(root(leaves[:half]), root(leaves[half:]))
}

func (m *made) write(t testing.TB, path string, content []byte) {
	t.Helper()
	path = filepath.Join(m.dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	// Replace the file atomically, as logs do: another goroutine may be reading.
	if err := os.WriteFile(path+".new", content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// files returns all files of a directory.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			below, _ := filepath.Rel(dir, path)
			all = append(all, filepath.ToSlash(below))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func check(t testing.TB, l *logread.Log) *logread.Report {
	t.Helper()
	report, err := l.Check(context.Background(), logread.CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}
