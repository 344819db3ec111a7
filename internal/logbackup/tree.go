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

// ErrOtherLog says that a checkpoint is another log's, or not of a tree that this one
// begins with: nothing may be written over it.
var ErrOtherLog = errors.New("not this log")

// tileHeight is how many levels of the tree a tile spans: 256 = 1<<8.
const tileHeight = 8

// looks is how often a tile is looked for that the log replaces by a wider one at that
// moment. Twice would do.
const looks = 10

// Log says which log it is. All fields are required.
type Log struct {
	Origin    string          // first line of its checkpoints
	Verifiers []note.Verifier // one of them must have signed them
	Format    tilelog.Format  // of its entries
}

// Tree is a log in a directory, from its first entry to the last that its checkpoint
// covers. Whatever is appended while it is used is not part of it.
type Tree struct {
	Head     checkpoint.Checkpoint
	Envelope []byte // the signed checkpoint as it lies there
	Signed   []byte // the same with signatures of the log alone, none of witnesses

	log Log
	fs  durable.FS
	dir string
}

// Open reads the checkpoint in dir, and nothing else. Errors: fs.ErrNotExist where
// there is none, ErrOtherLog.
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

// Open verifies a checkpoint of the log, and gives it again with the log's signatures
// alone. Errors: ErrOtherLog.
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

// Follows says whether the tree goes on from that of c, which may be its own. Errors:
// ErrOtherLog if it does not, logread.ErrDamaged.
func (t *Tree) Follows(ctx context.Context, c checkpoint.Checkpoint) error {
	if c.Size > t.Head.Size {
		return fmt.Errorf("%w: it has %d entries, and a checkpoint of %d was signed", ErrOtherLog, t.Head.Size, c.Size)
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

// Prove proves that the first old entries are a tree that this one begins with.
// Errors: logread.ErrDamaged.
func (t *Tree) Prove(ctx context.Context, old uint64) ([]tlog.Hash, error) {
	log, head := t.reader()
	return log.Consistency(ctx, head, old, head.Size)
}

// reader reads the tree's hashes, each verified against the root.
func (t *Tree) reader() (*logread.Log, *logread.Head) {
	return &logread.Log{Source: source{t}}, &logread.Head{Checkpoint: t.Head}
}

// source is a Tree as a logread.Source of tiles.
type source struct{ *Tree }

func (s source) Read(_ context.Context, path string, _ int64) ([]byte, error) {
	level, n, width, err := tile.ParsePath(path)
	if err != nil {
		return nil, err
	}
	return s.read(level, n, width)
}

// missing says what it means that a file of the tree is not there.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", logread.ErrDamaged, err)
	}
	return err
}

func (t *Tree) path(name string) string { return filepath.Join(t.dir, filepath.FromSlash(name)) }

// read gives a tile from its file, or cut out of a wider form of it: the log removes
// those of earlier checkpoints, each after a wider one is there.
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

// widest is the width of the widest form of a partial tile. Where that is the full
// tile, it may not have partial forms any more.
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

// cut gives the first width hashes or entries of a tile. Errors: logread.ErrDamaged.
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

// edge gives the partial tiles of hashes, by their levels, and holds them against the
// checkpoint. Whatever else is in the tree is below one of these hashes. Errors:
// logread.ErrDamaged.
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

// pick computes stored hashes out of the tiles that the root is made of.
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
