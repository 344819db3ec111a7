// SPDX-License-Identifier: Apache-2.0

package logbackup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// ErrOtherLog reports that a checkpoint is of another log, or of a tree that is
// not a beginning of this one. It must not be overwritten.
var ErrOtherLog = errors.New("not this log")

// tileHeight is the number of tree levels that a tile spans: 256 = 1<<8.
const tileHeight = 8

// looks bounds the attempts to read a tile while the log replaces it by a wider
// one. Two would suffice.
const looks = 10

// A Log identifies a log. All fields are required.
type Log struct {
	Origin    string          // first line of its checkpoints
	Verifiers []note.Verifier // one of them must verify each checkpoint
	Format    tilelog.Format  // format of its entries
}

// A Tree is a log in a directory, up to the last entry that its checkpoint
// covers. Entries appended later are not part of it.
type Tree struct {
	Head     checkpoint.Checkpoint
	Envelope []byte // the signed checkpoint as stored
	Signed   []byte // the same without cosignatures of witnesses

	log Log
	fs  durable.FS
	dir string
}

// Open reads only the checkpoint in dir. Errors match [fs.ErrNotExist] if there
// is none, or [ErrOtherLog].
func Open(fsys durable.FS, dir string, log Log) (*Tree, error) {
	envelope, err := durable.ReadFile(fsys, filepath.Join(dir, "checkpoint"))
	if err != nil {
		return nil, fmt.Errorf("reading checkpoint: %w", err)
	}
	head, signed, err := log.Open(envelope)
	if err != nil {
		return nil, err
	}
	return &Tree{Head: head, Envelope: envelope, Signed: signed, log: log, fs: fsys, dir: dir}, nil
}

// Open verifies a checkpoint of the log and also returns it with the log's
// signatures alone. Errors match [ErrOtherLog].
func (l Log) Open(envelope []byte) (c checkpoint.Checkpoint, signed []byte, err error) {
	c, n, err := checkpoint.Open(envelope, l.Verifiers...)
	switch {
	case err != nil:
		return c, nil, fmt.Errorf("%w: %w", ErrOtherLog, err)
	case c.Origin != l.Origin:
		return c, nil, fmt.Errorf("%w: the checkpoint is of %q, want %q", ErrOtherLog, c.Origin, l.Origin)
	case c.Size > tile.MaxSize:
		return c, nil, fmt.Errorf("%w: a checkpoint of %d entries", ErrOtherLog, c.Size)
	}
	signed, err = note.Sign(&note.Note{Text: n.Text, Sigs: n.Sigs})
	return c, signed, err
}

// Follows checks that the tree of c is a beginning of this tree, or the same.
// Errors match [ErrOtherLog] if not, or logread.ErrDamaged.
func (t *Tree) Follows(ctx context.Context, c checkpoint.Checkpoint) error {
	if c.Size > t.Head.Size {
		return fmt.Errorf("%w: it has %d entries, but a checkpoint of %d was signed", ErrOtherLog, t.Head.Size, c.Size)
	}
	log, head := t.reader()
	root, err := log.RootAt(ctx, head, c.Size)
	if err != nil {
		return err
	}
	if root != c.Root {
		return fmt.Errorf("%w: its first %d entries have another root than the checkpoint signed for them", ErrOtherLog, c.Size)
	}
	return nil
}

// Prove returns the proof that the tree of the first old entries is a beginning
// of this one. Errors match logread.ErrDamaged.
func (t *Tree) Prove(ctx context.Context, old uint64) ([]tlog.Hash, error) {
	log, head := t.reader()
	return log.Consistency(ctx, head, old, head.Size)
}

// reader returns a reader of the tree's hashes, each verified against the root.
func (t *Tree) reader() (*logread.Log, *logread.Head) {
	return &logread.Log{Source: source{t}}, &logread.Head{Checkpoint: t.Head}
}

// source is a Tree as a [logread.Source] of tiles.
type source struct{ *Tree }

func (s source) Read(_ context.Context, path string, _ int64) ([]byte, error) {
	level, n, width, err := tile.ParsePath(path)
	if err != nil {
		return nil, err
	}
	return s.read(level, n, width)
}

// missing returns the error for a missing file of the tree.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", logread.ErrDamaged, err)
	}
	return err
}

func (t *Tree) path(name string) string { return filepath.Join(t.dir, filepath.FromSlash(name)) }

// read returns a tile from its file, or cut from a wider one: the log removes
// the tiles of earlier checkpoints after the wider ones are written.
func (t *Tree) read(level int, n uint64, width int) ([]byte, error) {
	content, err := durable.ReadFile(t.fs, t.path(tile.Path(level, n, width)))
	if width == tile.Width {
		return content, err
	}
	for range looks {
		if !errors.Is(err, fs.ErrNotExist) {
			return content, err
		}
		var wide []byte
		wider := t.widest(level, n)
		if wide, err = durable.ReadFile(t.fs, t.path(tile.Path(level, n, wider))); err == nil {
			content, err = t.cut(wide, level, width)
		}
	}
	return nil, err
}

// widest returns the width of the widest form of a partial tile. If that is the
// full tile, the partial forms may have been removed.
func (t *Tree) widest(level int, n uint64) int {
	names, err := t.fs.ReadDir(t.path(tile.Path(level, n, tile.Width) + ".p"))
	if err != nil || len(names) == 0 {
		return tile.Width
	}
	var widths []int
	for _, name := range names {
		if width, err := strconv.Atoi(name.Name()); err == nil && width > 0 && width < tile.Width {
			widths = append(widths, width)
		}
	}
	return slices.Max(append(widths, 1))
}

// cut returns the first width hashes or entries of a tile. Errors match
// logread.ErrDamaged.
func (t *Tree) cut(content []byte, level, width int) ([]byte, error) {
	if level < 0 {
		length, err := t.log.Format.Measure(bytes.NewReader(content), int64(len(content)), width)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", logread.ErrDamaged, err)
		}
		return content[:length], nil
	}
	if len(content) < width*tlog.HashSize {
		return nil, fmt.Errorf("%w: a tile is truncated", logread.ErrDamaged)
	}
	return content[:width*tlog.HashSize], nil
}

// edge returns the partial tiles of hashes by level, after checking them
// against the checkpoint. Everything else in the tree is below one of these
// hashes. Errors match logread.ErrDamaged.
func (t *Tree) edge() ([][]byte, error) {
	var edge [][]byte
	for size := t.Head.Size; size > 0; size /= tile.Width {
		var content []byte
		if width := int(size % tile.Width); width > 0 {
			var err error
			if content, err = t.read(len(edge), size/tile.Width, width); err != nil {
				return nil, missing(err)
			}
			if len(content) != width*tlog.HashSize {
				return nil, fmt.Errorf("%w: %s has %d bytes", logread.ErrDamaged, tile.Path(len(edge), size/tile.Width, width), len(content))
			}
		}
		edge = append(edge, content)
	}
	root, err := tlog.TreeHash(int64(t.Head.Size), tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return pick(edge, indexes)
	}))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", logread.ErrDamaged, err)
	}
	if root != t.Head.Root {
		return nil, fmt.Errorf("%w: the tiles at its end do not lead to the checkpoint's root", logread.ErrDamaged)
	}
	return edge, nil
}

// pick computes stored hashes from the tiles that the root is computed from.
func pick(edge [][]byte, indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		at := tlog.TileForIndex(tileHeight, index)
		at.W = len(edge[at.L]) / tlog.HashSize
		var err error
		if hashes[i], err = tlog.HashFromTile(at, edge[at.L], index); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}
