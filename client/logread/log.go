// SPDX-License-Identifier: Apache-2.0

package logread

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

var (
	// ErrUnknown reports that a checkpoint is of a log without a given key.
	ErrUnknown = errors.New("no key is given for a log of this name")

	// ErrCheckpoint reports that a checkpoint is malformed or not signed by the
	// log that it names. The caller must refuse it.
	ErrCheckpoint = errors.New("checkpoint is not signed by the log")

	// ErrDamaged reports that files of a log do not lead to its checkpoint. The
	// caller must refuse them. [Log.Check] finds the damaged files.
	ErrDamaged = errors.New("log is damaged")

	// ErrBehind reports that a log has fewer entries than requested. The caller
	// may ask again.
	ErrBehind = errors.New("log has too few entries")
)

// A Log is a log to read, with the keys that may identify it.
type Log struct {
	Source Source
	Keys   []Key
}

// A Head is a verified checkpoint.
type Head struct {
	checkpoint.Checkpoint
	Envelope []byte // signed note, as read from the log
	Format   Format // format of the log whose key signed it
}

// Head reads and verifies the log's checkpoint. Errors match [ErrUnknown] or
// [ErrCheckpoint], or are those of [Source].
func (l *Log) Head(ctx context.Context) (*Head, error) {
	raw, err := l.Source.Read(ctx, "checkpoint", maxCheckpoint)
	if err != nil {
		return nil, err
	}
	return l.Open(raw)
}

// Open verifies a checkpoint of the log. Errors match [ErrUnknown] or
// [ErrCheckpoint].
func (l *Log) Open(envelope []byte) (*Head, error) {
	if len(envelope) > maxCheckpoint {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrCheckpoint, maxCheckpoint)
	}
	origin, _, ok := strings.Cut(string(envelope), "\n")
	if !ok {
		return nil, fmt.Errorf("%w: it has no lines", ErrCheckpoint)
	}
	err := fmt.Errorf("%w: %.100q", ErrUnknown, origin)
	for _, key := range l.Keys {
		if key.Origin != origin {
			continue
		}
		c, _, cause := checkpoint.Open(envelope, key.Verifier)
		if cause != nil {
			err = fmt.Errorf("%w: %w", ErrCheckpoint, cause)
			continue
		}
		if c.Size > tile.MaxSize {
			return nil, fmt.Errorf("%w: no log has %d entries", ErrCheckpoint, c.Size)
		}
		if empty, _ := tlog.TreeHash(0, nil); c.Size == 0 && c.Root != empty {
			return nil, fmt.Errorf("%w: its root is not that of an empty tree", ErrCheckpoint)
		}
		return &Head{c, envelope, key.Format}, nil
	}
	return nil, err
}

// A position identifies a tile of hashes.
type position struct {
	level int
	n     uint64
}

// width returns the number of hashes that the tile has in a tree of size
// leaves.
func (p position) width(size uint64) int {
	hashes, first := size>>(8*p.level), p.n*tile.Width
	return int(min(max(hashes, first)-first, tile.Width))
}

// readTile reads a tile, or a wider form of it: "Clients MUST be able to fall
// back to the full tile" (tlog-tiles, "Partial Tiles"). exact reports whether
// the content has no more than this width. level may be that of entries.
func (l *Log) readTile(ctx context.Context, level int, n uint64, width int, limit int64) (content []byte, exact bool, err error) {
	const looks = 3 // partial tiles may be removed meanwhile
	for range looks {
		content, err = l.read(ctx, tile.Path(level, n, width), limit)
		if width == tile.Width || !errors.Is(err, fs.ErrNotExist) {
			return content, true, err
		}
		widths := []int{tile.Width}
		if dir, ok := l.Source.(Dir); ok {
			widths = append(dir.wider(level, n, width), tile.Width)
		}
		for _, w := range widths {
			if content, err = l.read(ctx, tile.Path(level, n, w), limit); !errors.Is(err, fs.ErrNotExist) {
				return content, false, err
			}
		}
	}
	return nil, false, err
}

// read reads a file. The file is damaged if it is longer than limit.
func (l *Log) read(ctx context.Context, path string, limit int64) ([]byte, error) {
	raw, err := l.Source.Read(ctx, path, limit)
	if errors.Is(err, client.ErrTooLong) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return raw, err
}

// hashes reads a tile of hashes.
func (l *Log) hashes(ctx context.Context, at position, width int) ([]byte, error) {
	content, exact, err := l.readTile(ctx, at.level, at.n, width, maxTile)
	if err != nil {
		return nil, err
	}
	want := width * tlog.HashSize
	if len(content) < want || exact && len(content) > want {
		return nil, fmt.Errorf("%w: %s has %d bytes, of %d", ErrDamaged, tile.Path(at.level, at.n, width), len(content), want)
	}
	return content[:want], nil
}

// bundle reads the entries in a tile.
func (l *Log) bundle(ctx context.Context, f Format, n uint64, width int) ([]Entry, error) {
	content, exact, err := l.readTile(ctx, f.level, n, width, f.limit)
	if err != nil {
		return nil, err
	}
	path := tile.Path(f.level, n, width)
	entries := make([]Entry, 0, width)
	for i := range width {
		e := Entry{Index: n*tile.Width + uint64(i)}
		if e.Raw, content, e.Leaf, err = f.next(content); err != nil {
			return nil, fmt.Errorf("%w: %s, %s: %w", ErrDamaged, path, leafName(e.Index), err)
		}
		entries = append(entries, e)
	}
	if exact && len(content) > 0 {
		return nil, fmt.Errorf("%w: %s has %d bytes after its entries", ErrDamaged, path, len(content))
	}
	return entries, nil
}
