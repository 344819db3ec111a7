// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile replaces the content of path with data atomically: a reader sees
// the old or the new content, before and after a crash.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	var b Batch
	if err := b.Write(path, data, perm); err != nil {
		return err
	}
	return b.Sync()
}

// CreateFile writes data to path, which must not exist; otherwise the error
// matches [fs.ErrExist]. Of several concurrent callers, one succeeds.
func CreateFile(path string, data []byte, perm fs.FileMode) error {
	temp, err := writeTemp(OS{}, filepath.Dir(path), data, perm)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); err != nil {
		return fmt.Errorf("creating file: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// A Batch writes files and syncs their directories together. It can be reused
// after Sync, as long as the directories exist. The zero value is ready to use.
// It is not safe for concurrent use.
type Batch struct {
	FS FS // nil means OS

	// Temp is a directory on the same file system for temporary files, so that a
	// crash leaves all of them in one place. Empty means beside each file.
	Temp string

	dirs map[string]bool // existing directories; true if names must be synced
}

func (b *Batch) fs() FS {
	if b.FS == nil {
		return OS{}
	}
	return b.FS
}

// Write writes a file like [WriteFile] and creates missing directories. The
// name may be lost in a crash until [Batch.Sync] returns.
func (b *Batch) Write(path string, data []byte, perm fs.FileMode) error {
	dir := filepath.Dir(path)
	if _, ok := b.dirs[dir]; !ok {
		if err := MkdirAll(b.fs(), dir, 0o755); err != nil {
			return err
		}
		if b.dirs == nil {
			b.dirs = make(map[string]bool)
		}
	}
	b.dirs[dir] = true
	temp, err := writeTemp(b.fs(), cmp.Or(b.Temp, dir), data, perm)
	if err != nil {
		return err
	}
	if err := b.fs().Rename(temp, path); err != nil {
		b.fs().Remove(temp)
		return fmt.Errorf("replacing file: %w", err)
	}
	return nil
}

// Sync makes the names of all written files durable.
func (b *Batch) Sync() error {
	for dir, written := range b.dirs {
		if !written {
			continue
		}
		if err := b.fs().SyncDir(dir); err != nil {
			return err
		}
		b.dirs[dir] = false
	}
	return nil
}

// Replace replaces the content of path like [WriteFile], with the temporary
// file path.new. A crash leaves only that file, which the next Replace
// overwrites. A path must have one caller at a time.
func Replace(fsys FS, path string, data []byte, perm fs.FileMode) error {
	temp := path + ".new"
	if err := fsys.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replacing file: %w", err)
	}
	if err := writeNew(fsys, temp, data, perm); err != nil {
		return err
	}
	if err := fsys.Rename(temp, path); err != nil {
		return fmt.Errorf("replacing file: %w", errors.Join(err, fsys.Remove(temp)))
	}
	return fsys.SyncDir(filepath.Dir(path))
}

// temporary is the prefix of temporary files.
const temporary = ".tmp-"

// ClearTemporary removes temporary files in dir that a killed process has left.
// No other process may be writing there.
func ClearTemporary(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, temporary+"*"))
	for _, file := range left {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// writeTemp writes and syncs a temporary file in dir and returns its name.
func writeTemp(fsys FS, dir string, data []byte, perm fs.FileMode) (string, error) {
	name := filepath.Join(dir, temporary+rand.Text())
	return name, writeNew(fsys, name, data, perm)
}

// writeNew writes and syncs a file that must not exist, and removes it on
// failure.
func writeNew(fsys FS, name string, data []byte, perm fs.FileMode) error {
	f, err := fsys.Open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing file: %w", err)
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Chmod(perm)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		fsys.Remove(name)
		return fmt.Errorf("writing file: %w", err)
	}
	return nil
}
