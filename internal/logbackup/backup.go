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

// Options say how to copy. The zero value is ready.
type Options struct {
	// Full has Backup read what the target has already, verify it, and copy what is
	// damaged there once more.
	Full bool

	// Progress is told how many entries are done with, by many goroutines; it may be nil.
	Progress func(done, total uint64)
}

func (o Options) progress() func(done, total uint64) {
	if o.Progress == nil {
		return func(uint64, uint64) {}
	}
	return o.Progress
}

// Backup brings the copy in dir to the state of the tree. dir is missing, empty, or has
// a copy of an earlier tree of the log, which stays usable until the new one is
// there, however Backup ends; when it is called again, it goes on. Errors:
// logread.ErrDamaged, ErrOtherLog, durable.ErrLocked where another Backup runs,
// fs.ErrExist where dir has something else in it, the context's.
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

// checkTarget refuses a directory that has something else than a copy in it, a log
// that is served above all.
func checkTarget(fsys durable.FS, dir string) error {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.Contains([]string{"checkpoint", "tile", "issuer", "lock", "tmp"}, name.Name()) {
			return fmt.Errorf("%s is in it, which no backup of a log has: %w", name.Name(), fs.ErrExist)
		}
	}
	return nil
}

// beginning is how many entries the copy in dir has, which the tree must go on from.
func (t *Tree) beginning(ctx context.Context, fsys durable.FS, dir string) (uint64, error) {
	before, err := Open(fsys, dir, t.log)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("what is in the target: %w", err)
	}
	if err := t.Follows(ctx, before.Head); err != nil {
		return 0, fmt.Errorf("what is in the target: %w", err)
	}
	return before.Head.Size, nil
}

// prune removes the partial tiles below name that are not to be kept: those of earlier
// checkpoints, and of runs that were killed.
func (c *copier) prune(name string, keep map[string]bool) error {
	names, err := c.to.fs.ReadDir(c.to.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // of an empty tree
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

// partials are the paths of the tree's partial tiles, and of their directories.
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

// Restore makes dir, which must be missing or empty, a log that goes on from the tree,
// all of which is verified: all of it is there afterwards, or nothing. newest is asked
// before, once dir is known to be free: its error, if the log has been seen with more
// entries, is that of Restore. Errors: fs.ErrExist, logread.ErrDamaged, the context's.
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
