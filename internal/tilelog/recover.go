package tilelog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// recover brings memory and disk to one state: that of the checkpoint, and what
// the journal has promised after it.
func (l *Log) recover() error {
	if err := os.RemoveAll(l.path("tmp")); err != nil {
		return fmt.Errorf("clearing temporary files: %w", err)
	}
	if err := durable.MkdirAll(l.path("tmp"), 0o700); err != nil {
		return err
	}
	envelope, err := os.ReadFile(l.path("checkpoint"))
	if errors.Is(err, fs.ErrNotExist) {
		return l.create()
	}
	if err != nil {
		return fmt.Errorf("reading checkpoint: %w", err)
	}
	if err := l.load(envelope); err != nil {
		return err
	}
	if err := l.journal.Records(l.replay); err != nil {
		return err
	}
	// From here on nothing depends on the journal: what it held may have been
	// in the kernel's cache alone.
	if l.head.size == l.published.Load() {
		return nil
	}
	l.logger.Info("recovered entries from the journal",
		"dir", l.o.Dir, "entries", l.head.size-l.published.Load())
	return l.publish()
}

// create makes a new log: a checkpoint of size 0. It refuses a directory that
// has had a log in it.
func (l *Log) create() error {
	if _, err := os.Stat(l.path("tile")); !errors.Is(err, fs.ErrNotExist) {
		return errors.New("there are tiles but no checkpoint: restore it")
	}
	if err := l.journal.Records(func([]byte) error {
		return errors.New("there is a journal but no checkpoint: restore it")
	}); err != nil {
		return err
	}
	root, err := l.tree.root(0)
	if err != nil {
		return err
	}
	envelope, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: l.o.Origin, Root: root}, l.o.Signers...)
	if err != nil {
		return err
	}
	l.head = head{root: root, envelope: envelope}
	l.logger.Info("made a new log", "dir", l.o.Dir, "origin", l.o.Origin)
	return l.publish()
}

// load reads the state that a checkpoint stands for.
func (l *Log) load(envelope []byte) error {
	h, err := l.openCheckpoint(envelope)
	if err != nil {
		return err
	}
	for n := range (h.size + tile.Width - 1) / tile.Width {
		if err := l.loadTile(n, h.size); err != nil {
			return err
		}
	}
	if err := l.checkRoot(h); err != nil {
		return err
	}
	l.head = h
	l.published.Store(h.size)
	return l.loadBundle()
}

// openCheckpoint verifies a checkpoint of this log.
func (l *Log) openCheckpoint(envelope []byte) (head, error) {
	c, _, err := checkpoint.Open(envelope, l.o.Verifiers...)
	if err != nil {
		return head{}, err
	}
	if c.Origin != l.o.Origin {
		return head{}, fmt.Errorf("checkpoint is of log %q, want %q", c.Origin, l.o.Origin)
	}
	return head{size: c.Size, root: c.Root, envelope: envelope}, nil
}

// checkRoot holds the tree against a checkpoint that was signed for it.
func (l *Log) checkRoot(h head) error {
	root, err := l.tree.root(h.size)
	if err != nil {
		return err
	}
	if root != h.root {
		return fmt.Errorf("root of the %d entries on disk is not the checkpoint's: restore from a backup", h.size)
	}
	return nil
}

// loadTile adds the leaf hashes of a tile to the tree. Full tiles are not kept
// in memory.
func (l *Log) loadTile(n, size uint64) error {
	width := tileWidth(position{0, n}, size)
	data, err := os.ReadFile(l.path(tile.Path(0, n, width)))
	if err != nil {
		return fmt.Errorf("reading tile: %w", err)
	}
	if len(data) != width*tlog.HashSize {
		return fmt.Errorf("%s has %d bytes, want %d", tile.Path(0, n, width), len(data), width*tlog.HashSize)
	}
	for i := range width {
		l.grow(tlog.Hash(data[i*tlog.HashSize:][:tlog.HashSize]), n*tile.Width+uint64(i))
	}
	if width < tile.Width {
		return nil
	}
	l.tree.forget((n + 1) * tile.Width)
	if _, err := os.Stat(l.path(tile.Path(l.o.Format.Level, n, width))); err != nil {
		return fmt.Errorf("looking for entries: %w", err)
	}
	return nil
}

// loadBundle reads the last tile of entries, if it is partial, to go on with
// it, and holds the entries against their leaf hashes.
func (l *Log) loadBundle() error {
	n, width := l.head.size/tile.Width, int(l.head.size%tile.Width)
	if width == 0 {
		return nil
	}
	path := tile.Path(l.o.Format.Level, n, width)
	rest, err := os.ReadFile(l.path(path))
	if err != nil {
		return fmt.Errorf("reading entries: %w", err)
	}
	b := new(bundle)
	for i := range width {
		var entry []byte
		if entry, rest, err = l.o.Format.Next(rest); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		leaf, encoded, err := l.encode(entry)
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		want, err := l.tree.hash(tlog.StoredHashIndex(0, int64(n)*tile.Width+int64(i)))
		if err != nil {
			return err
		}
		if leaf != want {
			return fmt.Errorf("entry %d of %s does not have its leaf hash: restore from a backup", i, path)
		}
		b.add(encoded)
	}
	if len(rest) > 0 {
		return fmt.Errorf("%s has more than %d entries", path, width)
	}
	l.bundles[n] = b
	return nil
}

// replay takes a batch from the journal: one that is published already, or the
// next.
func (l *Log) replay(raw []byte) error {
	r, err := parseRecord(raw)
	if err != nil {
		return err
	}
	if r.end() <= l.head.size {
		return nil
	}
	if r.base != l.head.size {
		return fmt.Errorf("journal goes on at %d, the log ends at %d: restore from a backup", r.base, l.head.size)
	}
	h, err := l.openCheckpoint(r.checkpoint)
	if err != nil {
		return fmt.Errorf("replaying journal: %w", err)
	}
	if h.size != r.end() {
		return fmt.Errorf("replaying journal: checkpoint of size %d after %d entries", h.size, r.end())
	}
	var encoded [][]byte
	for i, entry := range r.entries {
		leaf, e, err := l.encode(entry)
		if err != nil {
			return fmt.Errorf("replaying journal: %w", err)
		}
		l.grow(leaf, r.base+uint64(i))
		encoded = append(encoded, e)
	}
	if err := l.checkRoot(h); err != nil {
		return fmt.Errorf("replaying journal: %w", err)
	}
	l.accept(h, encoded)
	return nil
}

// readFullTile reads a full tile of hashes.
func (l *Log) readFullTile(at position) ([]byte, error) {
	data, err := os.ReadFile(l.path(tile.Path(at.level, at.n, tile.Width)))
	if err != nil {
		return nil, fmt.Errorf("reading tile: %w", err)
	}
	if len(data) != tile.Width*tlog.HashSize {
		return nil, fmt.Errorf("%s has %d bytes", tile.Path(at.level, at.n, tile.Width), len(data))
	}
	return data, nil
}
