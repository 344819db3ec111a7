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
	// ErrUnknown says that a checkpoint is of a log that no key is given for: nothing
	// is known of it.
	ErrUnknown = errors.New("no key is given for a log of this name")

	// ErrCheckpoint says that a checkpoint is not signed by the log that it names, or
	// is none. Refuse it.
	ErrCheckpoint = errors.New("checkpoint is not the log's")

	// ErrDamaged says that what a log shows does not lead to its own checkpoint. Refuse
	// it; Check finds what is damaged.
	ErrDamaged = errors.New("log is damaged")

	// ErrBehind says that a log shows fewer entries than were asked for. Ask again.
	ErrBehind = errors.New("log does not show so many entries")
)

// Log is a log to be read, and the keys that it may be known by.
type Log struct {
	Source Source
	Keys   []Key
}

// Head is a checkpoint that has been verified.
type Head struct {
	checkpoint.Checkpoint
	Envelope []byte // signed note, as the log shows it
	Format   Format // of the log whose key has signed it
}

// Head reads the checkpoint that the log shows. Errors: ErrUnknown, ErrCheckpoint,
// those of Source.
func (l *Log) Head(ctx context.Context) (*Head, error) {
	raw, err := l.Source.Read(ctx, "checkpoint", maxCheckpoint)
	if err != nil {
		return nil, err
	}
	return l.Open(raw)
}

// Open verifies a checkpoint of the log. Errors: ErrUnknown, ErrCheckpoint.
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
			return nil, fmt.Errorf("%w: it has a root of no entries that is not theirs", ErrCheckpoint)
		}
		return &Head{c, envelope, key.Format}, nil
	}
	return nil, err
}

// position is where a tile of hashes is.
type position struct {
	level int
	n     uint64
}

// width is how many hashes the tile has in a tree of size leaves.
func (p position) width(size uint64) int {
	hashes, first := size>>(8*p.level), p.n*tile.Width
	return int(min(max(hashes, first)-first, tile.Width))
}

// readTile reads a tile, or a wider form of it: "Clients MUST be able to fall back to
// the full tile" (tlog-tiles, "Partial Tiles"). exact: the content has this width and
// not more. level may be that of entries.
func (l *Log) readTile(ctx context.Context, level int, n uint64, width int, limit int64) (content []byte, exact bool, err error) {
	const looks = 3 // partial tiles go while we look
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

// read reads a file that is damaged if it is longer than any of its kind.
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
