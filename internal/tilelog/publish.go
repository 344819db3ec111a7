package tilelog

import (
	"fmt"
	"os"
	"time"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// publishAll publishes whenever something is committed, until the sequencer has
// ended and all is published.
func (l *Log) publishAll() {
	for range l.committed {
		if err := l.publish(); err != nil {
			l.fail(fmt.Errorf("publishing: %w", err))
			return
		}
		signal(l.caughtUp)
		select {
		case <-time.After(publishInterval):
		case <-l.hurry:
		case <-l.drained:
		}
	}
}

// publish writes the tiles that the log's head has beyond the checkpoint on
// disk, then the checkpoint, then removes partial tiles that no one needs.
func (l *Log) publish() error {
	l.mu.RLock()
	h := l.head
	l.mu.RUnlock()
	last := l.published.Load()
	files := durable.Batch{Temp: l.path("tmp")}
	tiles := newTiles(last, h.size, l.o.Format.Level)
	for _, t := range tiles {
		if err := files.Write(l.path(t.path()), l.content(t), 0o644); err != nil {
			return err
		}
	}
	if err := files.Sync(); err != nil {
		return err
	}
	if err := files.Write(l.path("checkpoint"), h.envelope, 0o644); err != nil {
		return err
	}
	if err := files.Sync(); err != nil {
		return err
	}
	l.published.Store(h.size)
	l.forget(h.size)
	if err := l.removePartials(tiles, last); err != nil {
		l.logger.Warn("superseded partial tiles stay on disk", "dir", l.o.Dir, "cause", err)
	}
	return nil
}

// tileRef names a tile, of hashes or of entries, in a tree of some size.
type tileRef struct {
	position
	width int
}

func (t tileRef) path() string { return tile.Path(t.level, t.n, t.width) }

// newTiles lists the tiles that a tree of size has and a tree of last has not,
// or has less wide.
func newTiles(last, size uint64, entries int) []tileRef {
	var tiles []tileRef
	add := func(level, hashLevel int) bool {
		from, to := last>>(tileHeight*hashLevel), size>>(tileHeight*hashLevel)
		for n := from / tile.Width; n*tile.Width < to && from < to; n++ {
			width := tileWidth(position{hashLevel, n}, size)
			tiles = append(tiles, tileRef{position{level, n}, width})
		}
		return from < to
	}
	add(entries, 0)
	for level := 0; add(level, level); level++ {
	}
	return tiles
}

// content gives what is in a tile that newTiles has listed.
func (l *Log) content(t tileRef) []byte {
	if t.level >= 0 {
		return l.tree.base(t.position, t.width)
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.bundles[t.n].first(t.width)
}

// forget drops from memory what the first size entries have put there, but for
// the tiles that will grow.
func (l *Log) forget(size uint64) {
	l.tree.forget(size)
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := range l.bundles {
		if (n+1)*tile.Width <= size {
			delete(l.bundles, n)
		}
	}
}

// removePartials removes, of the tiles just written, the partial forms that are
// narrower, except those of the checkpoint before: readers may be fetching them.
// The handler cuts all others out of wider ones, and a full tile replaces its
// partial forms at once (tlog-tiles, "Partial Tiles").
func (l *Log) removePartials(tiles []tileRef, last uint64) error {
	for _, t := range tiles {
		dir := l.path(tile.Path(t.level, t.n, tile.Width) + ".p")
		if t.width == tile.Width {
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("removing partial tiles: %w", err)
			}
			continue
		}
		keep := map[string]bool{
			fmt.Sprint(t.width): true,
			fmt.Sprint(tileWidth(position{max(t.level, 0), t.n}, last)): true,
		}
		names, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("removing partial tiles: %w", err)
		}
		for _, name := range names {
			if keep[name.Name()] {
				continue
			}
			if err := os.Remove(l.path(tile.Path(t.level, t.n, tile.Width) + ".p/" + name.Name())); err != nil {
				return fmt.Errorf("removing partial tiles: %w", err)
			}
		}
	}
	return nil
}
