// SPDX-License-Identifier: Apache-2.0

package logbackup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// Options configure a copy. The zero value is ready to use.
type Options struct {
	// Full makes Backup verify all files of the target and copy damaged ones
	// again.
	Full bool

	// Progress is called with the number of processed entries, concurrently; it
	// may be nil.
	Progress func(done, total uint64)
}

func (o Options) progress() func(done, total uint64) {
	if o.Progress == nil {
		return func(uint64, uint64) {}
	}
	return o.Progress
}

// Backup updates the copy in dir to the state of the tree. dir must be missing,
// empty, or have a copy of an earlier tree of the log, which stays usable until
// the new one is complete. An interrupted Backup is continued by calling it
// again. Errors match logread.ErrDamaged, [ErrOtherLog], durable.ErrLocked if
// another Backup runs, or [fs.ErrExist] if dir has other content, or are those
// of the context.
func Backup(ctx context.Context, from *Tree, fsys durable.FS, dir string, o Options) (Summary, error) {
	s, err := backup(ctx, from, fsys, dir, o)
	if err != nil {
		return Summary{}, fmt.Errorf("backing up log: %w", err)
	}
	return s, nil
}

func backup(ctx context.Context, from *Tree, fsys durable.FS, dir string, o Options) (Summary, error) {
	if err := durable.MkdirAll(fsys, dir, 0o755); err != nil {
		return Summary{}, err
	}
	if err := checkTarget(fsys, dir); err != nil {
		return Summary{}, err
	}
	lock, err := fsys.Lock(filepath.Join(dir, "lock"))
	if err != nil {
		return Summary{}, err
	}
	defer lock.Close()
	have, err := from.beginning(ctx, fsys, dir)
	if err != nil {
		return Summary{}, err
	}
	if o.Full {
		have = 0
	}
	temp := filepath.Join(dir, "tmp")
	if err := errors.Join(fsys.RemoveAll(temp), durable.MkdirAll(fsys, temp, 0o755)); err != nil {
		return Summary{}, err
	}
	c := newCopier(from, fsys, dir, temp, have, o.progress())
	if err := c.run(ctx); err != nil {
		return Summary{}, err
	}
	if err := c.show(); err != nil {
		return Summary{}, err
	}
	return c.summary, c.prune("tile", from.partials())
}

// checkTarget refuses a directory with other content than a copy, in particular
// a served log.
func checkTarget(fsys durable.FS, dir string) error {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.Contains([]string{"checkpoint", "tile", "issuer", "lock", "tmp"}, name.Name()) {
			return fmt.Errorf("it has %s, which is not part of a backup of a log: %w", name.Name(), fs.ErrExist)
		}
	}
	return nil
}

// beginning returns the number of entries of the copy in dir, which must be a
// beginning of the tree.
func (t *Tree) beginning(ctx context.Context, fsys durable.FS, dir string) (uint64, error) {
	before, err := Open(fsys, dir, t.log)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("checking the target: %w", err)
	}
	if err := t.Follows(ctx, before.Head); err != nil {
		return 0, fmt.Errorf("checking the target: %w", err)
	}
	return before.Head.Size, nil
}

// prune removes the partial tiles below name that are not in keep: those of
// earlier checkpoints and of killed runs.
func (c *copier) prune(name string, keep map[string]bool) error {
	names, err := c.to.fs.ReadDir(c.to.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the tree is empty
	}
	if err != nil {
		return err
	}
	for _, one := range names {
		below := path.Join(name, one.Name())
		switch {
		case strings.Contains(below, ".p") && !keep[below]:
			err = c.to.fs.RemoveAll(c.to.path(below))
		case one.IsDir():
			err = c.prune(below, keep)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// partials returns the paths of the tree's partial tiles and of their
// directories.
func (t *Tree) partials() map[string]bool {
	all := make(map[string]bool)
	add := func(level int, size uint64) {
		if width := int(size % tile.Width); width > 0 {
			name := tile.Path(level, size/tile.Width, width)
			all[name], all[path.Dir(name)] = true, true
		}
	}
	add(t.log.Format.Level, t.Head.Size)
	for level, size := 0, t.Head.Size; size > 0; level, size = level+1, size/tile.Width {
		add(level, size)
	}
	return all
}

// Restore creates a log in dir, which must be missing or empty, that continues
// the tree. It verifies the whole tree, and creates all files or none. It first
// calls newest, which returns an error if the log is known to have had more
// entries. Errors are those of newest, match [fs.ErrExist] or
// logread.ErrDamaged, or are those of the context.
func Restore(ctx context.Context, from *Tree, dir string, newest func(context.Context, *Tree) error, o Options) (Summary, error) {
	var c *copier
	err := durable.CreateDir(dir, 0o755, func(temporary string) error {
		if err := newest(ctx, from); err != nil {
			return err
		}
		c = newCopier(from, durable.OS{}, temporary, "", 0, o.progress())
		if err := c.run(ctx); err != nil {
			return err
		}
		return c.show()
	})
	if err != nil {
		return Summary{}, fmt.Errorf("restoring log: %w", err)
	}
	return c.summary, nil
}
