// SPDX-License-Identifier: Apache-2.0

package logbackup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// writers is the number of files written concurrently; each waits for its
// fsync.
const writers = 16

// A Summary is the result of a copy.
type Summary struct {
	Size    uint64 // size of the copied tree
	Root    tlog.Hash
	Copied  int   // files
	Skipped int   // files that already existed
	Bytes   int64 // in the files copied
}

// A copier copies a tree from its root down.
type copier struct {
	from     *Tree
	to       *Tree // the same tree at the target
	have     uint64
	progress func(done, total uint64)
	done     atomic.Uint64 // entries

	free chan *durable.Batch // idle writers
	work sync.WaitGroup
	stop context.CancelCauseFunc

	mu      sync.Mutex
	summary Summary
	found   map[string]bool // directories with files of an earlier run
}

// newCopier returns a copier to dir, which already has the first have entries.
// Temporary files are created in temp, or beside each file if temp is empty.
func newCopier(from *Tree, fsys durable.FS, dir, temp string, have uint64, progress func(done, total uint64)) *copier {
	to := *from
	to.fs, to.dir = fsys, dir
	c := &copier{from: from, to: &to, have: have, progress: progress, free: make(chan *durable.Batch, writers), found: map[string]bool{}}
	for range writers {
		c.free <- &durable.Batch{FS: fsys, Temp: temp}
	}
	c.summary.Size, c.summary.Root = from.Head.Size, from.Head.Root
	return c
}

// run copies all files except the checkpoint, and syncs them. Errors match
// logread.ErrDamaged or are those of the context.
func (c *copier) run(ctx context.Context) error {
	edge, err := c.from.edge()
	if err != nil {
		return err
	}
	ctx, c.stop = context.WithCancelCause(ctx)
	defer c.stop(nil)
	for level, hashes := range edge {
		c.partial(ctx, level, hashes)
	}
	c.work.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := c.issuers(); err != nil {
		return err
	}
	return c.sync()
}

// partial copies a verified partial tile of hashes and everything below it.
func (c *copier) partial(ctx context.Context, level int, hashes []byte) {
	if len(hashes) == 0 {
		return
	}
	n := c.from.Head.Size >> (tileHeight * (level + 1))
	c.do(ctx, func(b *durable.Batch) error {
		read := func() ([]byte, error) { return hashes, nil }
		if _, err := c.keepFile(b, tile.Path(level, n, len(hashes)/tlog.HashSize), read, same(hashes)); err != nil {
			return err
		}
		if level > 0 {
			return nil
		}
		return c.entries(b, n, hashes)
	})
	if level > 0 {
		c.below(ctx, level, n, hashes)
	}
}

// full copies a full tile with the given root and everything below it.
func (c *copier) full(ctx context.Context, level int, n uint64, root tlog.Hash) {
	if ctx.Err() != nil {
		return
	}
	if last := (n + 1) << (tileHeight * (level + 1)); last <= c.have {
		c.skip(level)
		return
	}
	verify := func(content []byte) error { return verifyRoot(content, root) }
	if level == 0 {
		c.do(ctx, func(b *durable.Batch) error {
			hashes, err := c.keep(b, level, n, tile.Width, verify)
			if err != nil {
				return err
			}
			return c.entries(b, n, hashes)
		})
		return
	}
	b := <-c.free
	hashes, err := c.keep(b, level, n, tile.Width, verify)
	c.free <- b
	if err != nil {
		c.stop(err)
		return
	}
	c.below(ctx, level, n, hashes)
}

// below copies the full tiles whose roots are the hashes of tile n.
func (c *copier) below(ctx context.Context, level int, n uint64, hashes []byte) {
	for i := range len(hashes) / tlog.HashSize {
		c.full(ctx, level-1, n*tile.Width+uint64(i), tlog.Hash(hashes[i*tlog.HashSize:][:tlog.HashSize]))
	}
}

// do runs f with one of the writers. An error ends the copy.
func (c *copier) do(ctx context.Context, f func(*durable.Batch) error) {
	b := <-c.free
	c.work.Go(func() {
		defer func() { c.free <- b }()
		if ctx.Err() != nil {
			return
		}
		if err := f(b); err != nil {
			c.stop(err)
		}
	})
}

// skip counts a full tile, and everything below it, that the target is known to
// have.
func (c *copier) skip(level int) {
	files, entries := 2, uint64(tile.Width)
	for range level {
		files, entries = 1+tile.Width*files, tile.Width*entries
	}
	c.mu.Lock()
	c.summary.Skipped += files
	c.mu.Unlock()
	c.tell(entries)
}

// tell reports progress.
func (c *copier) tell(entries uint64) { c.progress(c.done.Add(entries), c.from.Head.Size) }

// entries copies the entries of tile n, which must have these leaf hashes.
func (c *copier) entries(b *durable.Batch, n uint64, hashes []byte) error {
	width := len(hashes) / tlog.HashSize
	_, err := c.keep(b, c.from.log.Format.Level, n, width, func(content []byte) error {
		return c.from.log.verifyEntries(content, hashes)
	})
	if err == nil {
		c.tell(uint64(width))
	}
	return err
}

// keep ensures that the target has a tile, and returns its content.
func (c *copier) keep(b *durable.Batch, level int, n uint64, width int, verify func([]byte) error) ([]byte, error) {
	read := func() ([]byte, error) { return c.from.read(level, n, width) }
	return c.keepFile(b, tile.Path(level, n, width), read, verify)
}

// keepFile ensures that the target has a file: the existing one if it verifies,
// or that of read, which must.
func (c *copier) keepFile(b *durable.Batch, name string, read func() ([]byte, error), verify func([]byte) error) ([]byte, error) {
	if content, err := durable.ReadFile(c.to.fs, c.to.path(name)); err == nil && verify(content) == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.summary.Skipped++
		c.found[path.Dir(name)] = true
		return content, nil
	}
	content, err := read()
	if err != nil {
		return nil, missing(err)
	}
	if err := verify(content); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", logread.ErrDamaged, name, err)
	}
	if err := b.Write(c.to.path(name), content, 0o644); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.summary.Copied++
	c.summary.Bytes += int64(len(content))
	return content, nil
}

// issuers copies the issuer certificates of a CT log, before the entries that
// refer to them.
func (c *copier) issuers() error {
	names, err := c.from.fs.ReadDir(c.from.path("issuer"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	b := <-c.free
	defer func() { c.free <- b }()
	for _, name := range names {
		id, err := hex.DecodeString(name.Name())
		if err != nil || len(id) != sha256.Size {
			continue // a temporary file
		}
		file := path.Join("issuer", name.Name())
		read := func() ([]byte, error) { return durable.ReadFile(c.from.fs, c.from.path(file)) }
		if _, err := c.keepFile(b, file, read, func(content []byte) error { return verifySum(content, id) }); err != nil {
			return err
		}
	}
	return nil
}

// sync makes the names of all files durable: those written now, and those
// written but not synced by a killed run.
func (c *copier) sync() error {
	for range writers {
		b := <-c.free
		if err := b.Sync(); err != nil {
			return err
		}
		defer func() { c.free <- b }()
	}
	for name := range c.found {
		dir := c.to.path(name)
		if err := errors.Join(durable.MkdirAll(c.to.fs, dir, 0o755), c.to.fs.SyncDir(dir)); err != nil {
			return err
		}
	}
	return nil
}

// show writes the checkpoint, after all other files of the tree.
func (c *copier) show() error {
	b := <-c.free
	return errors.Join(b.Write(c.to.path("checkpoint"), c.from.Envelope, 0o644), b.Sync())
}

func same(want []byte) func([]byte) error {
	return func(content []byte) error {
		if !bytes.Equal(content, want) {
			return errors.New("its content differs")
		}
		return nil
	}
}

// verifyRoot checks a full tile against the hash above it.
func verifyRoot(content []byte, root tlog.Hash) error {
	if len(content) != tile.Width*tlog.HashSize {
		return fmt.Errorf("it has %d bytes, want %d", len(content), tile.Width*tlog.HashSize)
	}
	var halves [2]tlog.Hash
	for i := range halves {
		var err error
		first := tlog.Tile{H: tileHeight, W: tile.Width} // hashes do not depend on the position
		if halves[i], err = tlog.HashFromTile(first, content, tlog.StoredHashIndex(tileHeight-1, int64(i))); err != nil {
			return err
		}
	}
	if tlog.NodeHash(halves[0], halves[1]) != root {
		return errors.New("its hashes do not lead to the hash above")
	}
	return nil
}

// verifyEntries checks a tile of entries against its leaf hashes.
func (l Log) verifyEntries(content, hashes []byte) error {
	for i := range len(hashes) / tlog.HashSize {
		entry, rest, err := l.Format.Next(content)
		if err != nil {
			return err
		}
		leaf, err := l.Format.Leaf(entry)
		if err != nil {
			return err
		}
		if tile.LeafHash(leaf) != tlog.Hash(hashes[i*tlog.HashSize:][:tlog.HashSize]) {
			return fmt.Errorf("entry %d does not have its leaf hash", i)
		}
		content = rest
	}
	if len(content) > 0 {
		return fmt.Errorf("it has more than %d entries", len(hashes)/tlog.HashSize)
	}
	return nil
}

func verifySum(content, want []byte) error {
	if sum := sha256.Sum256(content); !bytes.Equal(sum[:], want) {
		return errors.New("its hash does not match its name")
	}
	return nil
}
