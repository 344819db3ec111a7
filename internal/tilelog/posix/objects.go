// SPDX-License-Identifier: Apache-2.0

package posix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
)

// objects holds the files of a log that readers see.
type objects struct {
	fs  durable.FS
	dir string

	// Separate mutexes let the publisher create tiles while the checkpoint is swapped: neither
	// waits for the other's fsync.
	creating sync.Mutex // guards tiles
	tiles    durable.Batch
	swapping sync.Mutex // guards heads
	heads    durable.Batch
}

func newObjects(fsys durable.FS, dir string) *objects {
	o := &objects{fs: fsys, dir: dir}
	o.reset()
	return o
}

func (o *objects) path(name string) string { return filepath.Join(o.dir, filepath.FromSlash(name)) }

// reset clears the record of existing directories, before the log is reopened.
func (o *objects) reset() {
	o.creating.Lock()
	defer o.creating.Unlock()
	o.swapping.Lock()
	defer o.swapping.Unlock()
	o.tiles = durable.Batch{FS: o.fs, Temp: o.path("tmp")}
	o.heads = o.tiles
}

// An object is an open file.
type object struct {
	durable.File
	size int64
}

// Size implements tilelog.Object.
func (o object) Size() int64 { return o.size }

// Content implements tilelog.Object.
func (o object) Content(n int64) io.ReadSeeker { return durable.Content(o.File, n) }

// Open implements tilelog.Objects.
func (o *objects) Open(_ context.Context, name string) (tilelog.Object, error) {
	f, size, err := durable.OpenRegular(o.fs, o.path(name))
	if err != nil {
		return nil, err
	}
	return object{f, size}, nil
}

// Create implements tilelog.Objects. It replaces a file that exists: a crash left it, or it is
// damaged. All files share the fsync of their directories.
func (o *objects) Create(_ context.Context, all ...tilelog.Content) error {
	o.creating.Lock()
	defer o.creating.Unlock()
	for _, c := range all {
		if err := o.tiles.Write(o.path(c.Name), c.Data, 0o644); err != nil {
			return err
		}
	}
	return o.tiles.Sync()
}

// Swap implements tilelog.Objects. There is no other writer, so it is enough to compare before
// writing.
func (o *objects) Swap(_ context.Context, name string, old, contents []byte) error {
	o.swapping.Lock()
	defer o.swapping.Unlock()
	now, err := durable.ReadFile(o.fs, o.path(name))
	if err != nil && !(old == nil && errors.Is(err, fs.ErrNotExist)) {
		return fmt.Errorf("replacing %s: %w", name, err)
	}
	if (err == nil) != (old != nil) || !bytes.Equal(now, old) {
		return fmt.Errorf("replacing %s: %w", o.path(name), tilelog.ErrChanged)
	}
	if err := o.heads.Write(o.path(name), contents, 0o644); err != nil {
		return err
	}
	return o.heads.Sync()
}

// Delete implements tilelog.Objects.
func (o *objects) Delete(_ context.Context, dir string, obsolete func(base string) bool) error {
	if obsolete == nil {
		return o.fs.RemoveAll(o.path(dir))
	}
	names, err := o.fs.ReadDir(o.path(dir))
	if err != nil {
		return err
	}
	for _, name := range names {
		if !obsolete(name.Name()) {
			continue
		}
		if err := o.fs.Remove(filepath.Join(o.path(dir), name.Name())); err != nil {
			return err
		}
	}
	return nil
}
