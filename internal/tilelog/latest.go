package tilelog

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// Latest returns the published entries, the newest first. It reads one tile at a time,
// and ends after the first error.
func (l *Log) Latest(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for size := l.engine.Load().published.Load(); size > 0; size = (size - 1) / tile.Width * tile.Width {
			entries, err := l.readEntries(ctx, (size-1)/tile.Width, size)
			if err != nil {
				yield(nil, fmt.Errorf("reading entries: %w", err))
				return
			}
			for _, entry := range slices.Backward(entries) {
				if !yield(entry, nil) {
					return
				}
			}
		}
	}
}

// readEntries reads the n-th tile of entries of a tree of size leaves.
func (l *Log) readEntries(ctx context.Context, n, size uint64) ([][]byte, error) {
	width := tileWidth(position{0, n}, size)
	f, length, err := l.openTile(ctx, tileRef{position{l.o.Format.Level, n}, width})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rest, err := io.ReadAll(durable.Content(f, length))
	entries := make([][]byte, width)
	for i := range entries {
		if err != nil {
			return nil, err
		}
		entries[i], rest, err = l.o.Format.Next(rest)
	}
	return entries, err
}
