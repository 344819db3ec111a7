// SPDX-License-Identifier: Apache-2.0

package logbackup

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// BenchmarkBackup measures a first backup of a log, the next one after a thousand
// entries more, and one that verifies everything. LOG_ENTRIES says how many there are.
func BenchmarkBackup(b *testing.B) {
	size, err := strconv.Atoi(os.Getenv("LOG_ENTRIES"))
	if err != nil {
		size = 100_000
	}
	dir := b.TempDir()
	log, target := filepath.Join(dir, "log"), filepath.Join(dir, "backup")
	makeLog(b, log, size)
	run := func(name string, o Options) {
		b.Run(name, func(b *testing.B) {
			s, err := Backup(b.Context(), mustOpen(b, durable.OS{}, log), durable.OS{}, target, o)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(s.Copied), "copied")
			b.ReportMetric(float64(s.Skipped), "skipped")
			b.ReportMetric(float64(s.Bytes)/1e6, "MB")
		})
	}
	run("first", Options{})
	run("nothing new", Options{})
	grow(b, durable.OS{}, log, 1, size, size+1000)
	run("1,000 more", Options{})
	run("full", Options{Full: true})
}

// makeLog writes a log of so many entries as the engine would, and syncs nothing.
func makeLog(t testing.TB, dir string, size int) {
	t.Helper()
	write := func(name string, content []byte) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	text := bytes.Repeat([]byte("an entry of some length "), 8)
	stored := make([]tlog.Hash, 0, 2*size)
	hashes := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		all := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			all[i] = stored[index]
		}
		return all, nil
	})
	var bundle []byte
	for i := range size {
		one := append(strconv.AppendInt(nil, int64(i), 10), text...)
		more, err := tlog.StoredHashes(int64(i), one, hashes)
		if err == nil {
			bundle, err = tile.AppendEntry(bundle, one)
		}
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		if width := i%tile.Width + 1; width == tile.Width || i == size-1 {
			write(tile.Path(tile.LevelEntries, uint64(i/tile.Width), width), bundle)
			bundle = bundle[:0]
		}
	}
	for _, one := range tlog.NewTiles(tileHeight, 0, int64(size)) {
		content, err := tlog.ReadTileData(one, hashes)
		if err != nil {
			t.Fatal(err)
		}
		write(tile.Path(one.L, uint64(one.N), one.W), content)
	}
	root, err := tlog.TreeHash(int64(size), hashes)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := checkpoint.NewSigner(origin, logKey(1))
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: origin, Size: uint64(size), Root: root}, signer)
	if err != nil {
		t.Fatal(err)
	}
	write("checkpoint", envelope)
}
