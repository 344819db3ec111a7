package durable

import (
	"cmp"
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
	temp, err := writeTemp(filepath.Dir(path), data, perm)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); err != nil {
		return fmt.Errorf("creating file: %w", err)
	}
	return SyncDir(filepath.Dir(path))
}

// MkdirAll is os.MkdirAll whose directories are there after a crash.
func MkdirAll(path string, perm fs.FileMode) error {
	path = filepath.Clean(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("creating directory: %w", err)
	}
	return SyncDir(parent)
}

// Batch writes files whose directories are synced together. The zero value is
// ready. It is for one goroutine.
type Batch struct {
	// Temp is a directory of the same file system for files being written, so
	// that what a crash leaves is in one place; "" is beside each file.
	Temp string

	dirs map[string]bool // seen: exist, and have names to be synced
}

// Write writes a file as WriteFile does, and its directory where that is
// missing, but its name may be lost in a crash before Sync.
func (b *Batch) Write(path string, data []byte, perm fs.FileMode) error {
	dir := filepath.Dir(path)
	if !b.dirs[dir] {
		if err := MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if b.dirs == nil {
			b.dirs = make(map[string]bool)
		}
		b.dirs[dir] = true
	}
	temp, err := writeTemp(cmp.Or(b.Temp, dir), data, perm)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return fmt.Errorf("replacing file: %w", err)
	}
	return nil
}

// Sync makes the names of all files written durable.
func (b *Batch) Sync() error {
	for dir := range b.dirs {
		if err := SyncDir(dir); err != nil {
			return err
		}
	}
	b.dirs = nil
	return nil
}

// writeTemp writes and syncs a file in dir and gives its name.
func writeTemp(dir string, data []byte, perm fs.FileMode) (string, error) {
	f, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return "", fmt.Errorf("writing file: %w", err)
	}
	_, err = f.Write(data)
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
		os.Remove(f.Name())
		return "", fmt.Errorf("writing file: %w", err)
	}
	return f.Name(), nil
}
