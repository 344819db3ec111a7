// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// recover brings memory and storage to the same state: that of the checkpoint, followed by the
// batches in the journal.
func (e *engine) recover() error {
	shown, err := e.readHead(e.shown)
	if errors.Is(err, fs.ErrNotExist) {
		return e.create()
	}
	if err != nil {
		return err
	}
	from := shown
	if kept, err := e.readHead(e.kept()); err == nil && kept.size > shown.size {
		from = kept
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := e.load(from); err != nil {
		return err
	}
	turn, err := e.turn()
	if err != nil {
		return fmt.Errorf("replaying journal: %w", err)
	}
	turn.Release()
	if e.head, err = e.countersigned(e.head); err != nil {
		return err
	}
	if err := e.checkSeen(); err != nil {
		if !e.o.ending || !errors.Is(err, ErrSeenMore) {
			return err
		}
		e.o.Logger.Error("log ends before what it was seen with", "dir", e.o.Storage.Name, "cause", err)
	}
	if !e.o.Witnessed { // a cosigned checkpoint is never replaced by one without cosignatures
		e.exposed.head = shown
	}
	e.reach.extend(shown.size)
	// From here on nothing depends on the journal: its contents may have been in the kernel's
	// cache only.
	if e.head.size == e.published.Load() && (e.o.Cosigner != nil || e.head.size == shown.size) {
		e.offer(e.head)
		return nil
	}
	e.o.Logger.Info("recovered entries from the journal",
		"dir", e.o.Storage.Name, "entries", e.head.size-e.published.Load())
	return e.publish()
}

// kept returns the cell with the checkpoint of the tiles. An earlier process may have left one
// that is not needed now.
func (e *engine) kept() *cell {
	if e.tiled != e.shown {
		return e.tiled
	}
	return &cell{objects: e.o.Storage.Objects, name: headFile}
}

// create creates a new log: a checkpoint of size 0. Errors: *Lost.
func (e *engine) create() error {
	if err := e.openJournal(0); err != nil {
		return err
	}
	root, err := e.tree.root(0)
	if err != nil {
		return err
	}
	envelope, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: e.o.Origin, Root: root}, e.o.Signers...)
	if err != nil {
		return err
	}
	e.head = head{root: root, envelope: envelope}
	e.o.Logger.Info("made a new log", "dir", e.o.Storage.Name, "origin", e.o.Origin)
	if e.tiled != e.shown { // left by a process that was killed before it published a checkpoint
		if err := e.tiled.load(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := e.publish(); err != nil || e.o.Cosigner == nil {
		return err
	}
	return e.show(e.head, nil) // an empty log needs no cosignatures
}

// begin writes the start marker, so that lost or unmounted storage is noticed.
func (e *engine) begin() error {
	if len(e.o.Storage.Notes) == 0 {
		return nil
	}
	marker := e.o.Storage.Notes[0]
	if _, err := marker.Read(); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return marker.Write([]byte(e.o.Origin + "\n"))
}

// load reads the state under a checkpoint: the right edge of the tree, from which all later
// entries and roots follow.
func (e *engine) load(h head) error {
	if err := e.loadEdge(h.size); err != nil {
		return err
	}
	if err := e.checkRoot(h); err != nil {
		return err
	}
	e.head = h
	e.published.Store(h.size)
	if err := e.loadBundle(); err != nil {
		return err
	}
	return e.openJournal(h.size)
}

// openJournal opens the journal after the first size entries.
func (e *engine) openJournal(size uint64) (err error) {
	var leaves *Leaves
	if e.o.Dedup {
		leaves = &Leaves{Of: e.leaf, From: func(from uint64, each func([32]byte) error) error { return e.leaves(from, size, each) }}
	}
	e.journal, err = e.o.Storage.Journal(size, leaves)
	return err
}

// countersigned adds the lines of signers that are missing in the checkpoint: signers added to
// the log after it was signed.
func (e *engine) countersigned(h head) (head, error) {
	n, err := note.Open(h.envelope, note.VerifierList(e.o.Verifiers...))
	if err != nil {
		return head{}, fmt.Errorf("reading checkpoint: %w", err)
	}
	for _, s := range e.o.Signers {
		its := func(sig note.Signature) bool { return sig.Name == s.Name() && sig.Hash == s.KeyHash() }
		if slices.ContainsFunc(n.Sigs, its) || slices.ContainsFunc(n.UnverifiedSigs, its) {
			continue
		}
		signed, err := note.Sign(&note.Note{Text: n.Text}, s)
		if err != nil {
			return head{}, fmt.Errorf("signing checkpoint: %w", err)
		}
		h.envelope = append(bytes.Clone(h.envelope), signed[len(n.Text)+1:]...)
	}
	return h, nil
}

// readHead reads a checkpoint of this log.
func (e *engine) readHead(c *cell) (head, error) {
	if err := c.load(); err != nil {
		return head{}, fmt.Errorf("reading %s: %w", c.name, err)
	}
	h, err := e.openHead(c.now)
	if err != nil {
		return head{}, fmt.Errorf("reading %s: %w", c.name, err)
	}
	return h, nil
}

// openCheckpoint verifies a checkpoint of this log.
func (o Options) openCheckpoint(envelope []byte) (checkpoint.Checkpoint, error) {
	c, _, err := checkpoint.Open(envelope, o.Verifiers...)
	if err == nil && c.Origin != o.Origin {
		err = fmt.Errorf("checkpoint is of log %q, want %q", c.Origin, o.Origin)
	}
	return c, err
}

// openHead verifies a checkpoint of this log that entries may follow.
func (e *engine) openHead(envelope []byte) (head, error) {
	c, err := e.o.openCheckpoint(envelope)
	if err != nil {
		return head{}, err
	}
	if IsFrozen(c) {
		return head{}, ErrFrozen
	}
	return head{size: c.Size, root: c.Root, envelope: envelope}, nil
}

// checkRoot checks the tree against a checkpoint that was signed for it.
func (e *engine) checkRoot(h head) error {
	root, err := e.tree.root(h.size)
	if err != nil {
		return err
	}
	if root != h.root {
		return fmt.Errorf("root of the %d entries on disk is not the checkpoint's: restore from a backup", h.size)
	}
	return nil
}

// loadEdge reads the partial tiles of a tree of size leaves, one a level.
func (e *engine) loadEdge(size uint64) error {
	for level := 0; size>>(tileHeight*level) > 0; level++ {
		hashes := size >> (tileHeight * level)
		at := position{level, hashes / tile.Width}
		if width := int(hashes % tile.Width); width > 0 {
			data, err := e.readHashes(at, width)
			if err != nil {
				return err
			}
			e.tree.hold(at, data)
		}
	}
	e.tree.size = size
	return nil
}

// leaves reads the leaf hashes from index from on, of a tree of size leaves.
func (e *engine) leaves(from, size uint64, each func([32]byte) error) error {
	for ; from < size; from = (from/tile.Width + 1) * tile.Width {
		at := position{0, from / tile.Width}
		data, err := e.readHashes(at, tileWidth(at, size))
		if err != nil {
			return err
		}
		for _, leaf := range data[from%tile.Width:] {
			if err := each(leaf); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadBundle reads the last tile of entries, if it is partial, so that the log can extend it.
// It checks the entries against their leaf hashes.
func (e *engine) loadBundle() error {
	n, width := e.head.size/tile.Width, int(e.head.size%tile.Width)
	if width == 0 {
		return nil
	}
	path := tile.Path(e.o.Format.Level, n, width)
	rest, err := read(e.ctx, e.o.Storage.Objects, path)
	if err != nil {
		return fmt.Errorf("reading entries: %w", err)
	}
	b := new(bundle)
	for i := range width {
		var entry []byte
		if entry, rest, err = e.o.Format.Next(rest); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		encoded, err := e.o.Format.Encode(entry)
		if err == nil {
			err = e.checkLeaf(n*tile.Width+uint64(i), entry)
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		b.add(encoded)
	}
	if len(rest) > 0 {
		return fmt.Errorf("%s has more than %d entries", path, width)
	}
	e.bundles[n] = b
	return nil
}

// replay applies a batch of the journal: one that the log already has, or the next.
func (e *engine) replay(p Promised) error {
	if p.End() <= e.head.size {
		return nil
	}
	if p.Base != e.head.size {
		return fmt.Errorf("journal goes on at %d, the log ends at %d: restore from a backup", p.Base, e.head.size)
	}
	h, err := e.openHead(p.Checkpoint)
	if err != nil {
		return err
	}
	if h.size != p.End() {
		return fmt.Errorf("checkpoint of size %d after %d entries", h.size, p.End())
	}
	var encoded [][]byte
	for _, entry := range p.Entries {
		leaf, tiled, err := e.encode(entry)
		if err != nil {
			return err
		}
		e.tree.append(leaf)
		encoded = append(encoded, tiled)
	}
	if err := e.checkRoot(h); err != nil {
		return err
	}
	e.accept(h, encoded)
	return nil
}

// readHashes reads a tile of hashes, which must have the given width.
func (e *engine) readHashes(at position, width int) ([]tlog.Hash, error) {
	path := tile.Path(at.level, at.n, width)
	data, err := read(context.Background(), e.o.Storage.Objects, path)
	if err != nil {
		return nil, fmt.Errorf("reading tile: %w", err)
	}
	if len(data) != width*tlog.HashSize {
		return nil, fmt.Errorf("%s has %d bytes, want %d", path, len(data), width*tlog.HashSize)
	}
	hashes := make([]tlog.Hash, width)
	for i := range hashes {
		copy(hashes[i][:], data[i*tlog.HashSize:])
	}
	return hashes, nil
}
