// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

// publishAll publishes after each commit, until the sequencer has returned and everything is
// published.
func (e *engine) publishAll() {
	for range e.committed {
		if err := e.publish(); err != nil {
			e.fail(fmt.Errorf("publishing: %w", err))
			return
		}
		signal(e.caughtUp)
		select {
		case <-time.After(e.interval()):
		case <-e.hurry:
		case <-e.drained:
		}
	}
}

// interval returns the shortest time between two publications. If signers wait for
// witnesses, the interval is part of that wait.
func (e *engine) interval() time.Duration {
	if e.o.Witnessed {
		return publishInterval / 10
	}
	return publishInterval
}

// publish writes the tiles of the log's head that are not on disk, then the checkpoint, and
// then removes obsolete partial tiles. If witnesses must cosign first, readers do not see that
// checkpoint: Open continues from it.
func (e *engine) publish() error {
	e.mu.RLock()
	h := e.head
	e.mu.RUnlock()
	last := e.published.Load()
	tiles := newTiles(last, h.size, e.o.Format.Level)
	contents := make([]Content, len(tiles))
	for i, t := range tiles {
		contents[i] = Content{Name: t.path(), Data: e.content(t)}
	}
	if err := e.o.Storage.Objects.Create(e.ctx, contents...); err != nil {
		return err
	}
	if err := e.replace(e.tiled, h); err != nil {
		return err
	}
	e.journal.Forget(h.size)
	e.published.Store(h.size)
	e.offer(h)
	e.forget(last, h.size)
	if err := e.removePartials(tiles, last); err != nil {
		e.o.Logger.Warn("superseded partial tiles stay", "dir", e.o.Storage.Name, "cause", err)
	}
	return nil
}

// headFile is the name of the checkpoint of the tiles, if readers see another one.
const headFile = "head"

// replace puts h into c. If another writer has replaced it before, a newer checkpoint of that
// writer stays and an older one is replaced. Errors: ErrSeenMore if that checkpoint is of
// another history.
func (e *engine) replace(c *cell, h head) error {
	for {
		err := c.swap(h.envelope)
		if !errors.Is(err, ErrChanged) {
			return err
		}
		if err := c.load(); err != nil {
			return err
		}
		other, err := e.openHead(c.now)
		if err != nil || other.size > h.size {
			return err
		}
		root, err := e.tree.root(other.size)
		if err != nil {
			return err
		}
		if root != other.root {
			return fmt.Errorf("%s of size %d is of another tree: %w", c.name, other.size, ErrSeenMore)
		}
	}
}

// offer hands a checkpoint to the cosigning loop, or publishes it if there is none.
func (e *engine) offer(h head) {
	if e.o.Cosigner == nil {
		e.reach.extend(h.size)
		return
	}
	e.mu.Lock()
	e.tiledHead = h
	e.mu.Unlock()
	signal(e.offered)
}

// A tileRef names a tile, of hashes or of entries, in a tree of some size.
type tileRef struct {
	position
	width int
}

func (t tileRef) path() string { return tile.Path(t.level, t.n, t.width) }

// newTiles lists the tiles of a tree of size that a tree of last lacks, or has at a smaller
// width.
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

// content returns the content of a tile that newTiles listed.
func (e *engine) content(t tileRef) []byte {
	if t.level >= 0 {
		return e.tree.base(t.position, t.width)
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.bundles[t.n].first(t.width)
}

// forget drops from memory the tiles of the first size entries, except those that will grow.
// It keeps hashes until the publication after that of their last size: callers that were
// answered a moment ago use them for their proofs, and would otherwise each read a tile from
// disk.
func (e *engine) forget(last, size uint64) {
	e.tree.forget(last)
	e.mu.Lock()
	defer e.mu.Unlock()
	for n := range e.bundles {
		if (n+1)*tile.Width <= size {
			delete(e.bundles, n)
		}
	}
}

// removePartials removes narrower partial forms of the tiles just written, except those of the
// previous checkpoint and of the one that readers see: readers may be fetching them. Wider
// forms belong to another writer that is ahead. The handler cuts all other partial tiles out
// of wider ones, and a full tile replaces its partial forms at once (tlog-tiles, "Partial
// Tiles").
func (e *engine) removePartials(tiles []tileRef, last uint64) error {
	shown, _, _ := e.exposed.get()
	for _, t := range tiles {
		var obsolete func(string) bool
		if t.width < tile.Width {
			at := position{max(t.level, 0), t.n}
			obsolete = func(base string) bool {
				width, err := strconv.Atoi(base)
				return err == nil && width < t.width && width != tileWidth(at, last) && width != tileWidth(at, shown.size)
			}
		}
		if err := e.o.Storage.Objects.Delete(e.ctx, tile.Path(t.level, t.n, tile.Width)+".p", obsolete); err != nil {
			return fmt.Errorf("removing partial tiles: %w", err)
		}
	}
	return nil
}
