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

// WriteFile makes data the content of path, at once: a reader sees the old
// content or the new, before and after a crash.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	var b Batch
	if err := b.Write(path, data, perm); err != nil {
		return err
	}
	return b.Sync()
}

// CreateFile is WriteFile for a path that must not exist yet: errors.Is(err,
// fs.ErrExist) if it does. Of two callers at once, one succeeds.
func CreateFile(path string, data []byte, perm fs.FileMode) error {
	temp, err := writeTemp(OS{}, filepath.Dir(path), data, perm)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); err != nil {
		return fmt.Errorf("creating file: %w", err)
	}
	return SyncDir(filepath.Dir(path))
}

// Batch writes files whose directories are synced together, and may be used again
// after that while nobody removes the directories. The zero value is ready. It is
// for one goroutine.
type Batch struct {
	FS FS // nil: OS

	// Temp is a directory of the same file system for files being written, so
	// that what a crash leaves is in one place; "" is beside each file.
	Temp string

	dirs map[string]bool // that exist; true: with names to be synced
}

func (b *Batch) fs() FS {
	if b.FS == nil {
		return OS{}
	}
	return b.FS
}

// Write writes a file as WriteFile does, and its directory where that is
// missing, but its name may be lost in a crash before Sync.
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

// Sync makes the names of all files written durable.
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

// Replace is WriteFile by way of path.new, so that a crash leaves no more than that one
// file, whose place the next Replace takes. It is for one caller a path at a time.
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

// temporary begins the names of files that are being written.
const temporary = ".tmp-"

// ClearTemporary removes the files in dir that a process has left half-written, such as one
// that was killed. Nobody else may be writing there.
func ClearTemporary(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, temporary+"*"))
	for _, file := range left {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// writeTemp writes and syncs a file in dir and gives its name.
func writeTemp(fsys FS, dir string, data []byte, perm fs.FileMode) (string, error) {
	name := filepath.Join(dir, temporary+rand.Text())
	return name, writeNew(fsys, name, data, perm)
}

// writeNew writes and syncs a file that is not there yet, and leaves none if it fails.
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
