// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// An FS is a file system: [OS] or, in tests, one that fails and loses power
// (package disktest). Methods without a comment behave like those of package
// os.
type FS interface {
	Open(path string, flag int, perm fs.FileMode) (File, error)
	Rename(from, to string) error
	Remove(path string) error
	RemoveAll(path string) error
	Mkdir(path string, perm fs.FileMode) error
	ReadDir(path string) ([]fs.DirEntry, error)
	Stat(path string) (fs.FileInfo, error)

	// SyncDir makes the names in a directory durable: files created, renamed,
	// removed.
	SyncDir(path string) error

	// Lock behaves like the function Lock.
	Lock(path string) (io.Closer, error)
}

// A File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (fs.FileInfo, error)
	Chmod(perm fs.FileMode) error

	// Sync is fsync. SyncData is fdatasync: content and size, without timestamps.
	Sync() error
	SyncData() error
}

// OS is the file system of this machine.
type OS struct{}

// Open calls [os.OpenFile].
func (OS) Open(path string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Rename calls [os.Rename].
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove calls [os.Remove].
func (OS) Remove(path string) error { return os.Remove(path) }

// RemoveAll calls [os.RemoveAll].
func (OS) RemoveAll(path string) error { return os.RemoveAll(path) }

// Mkdir calls [os.Mkdir].
func (OS) Mkdir(path string, perm fs.FileMode) error { return os.Mkdir(path, perm) }

// ReadDir calls [os.ReadDir].
func (OS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// Stat calls [os.Stat].
func (OS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// SyncDir calls [SyncDir].
func (OS) SyncDir(path string) error { return syncDir(path) }

// Lock calls [Lock].
func (OS) Lock(path string) (io.Closer, error) {
	lock, err := Lock(path)
	if err != nil {
		return nil, err // not a nil *FileLock, which would be a non-nil io.Closer
	}
	return lock, nil
}

type osFile struct{ *os.File }

// SyncData calls fdatasync where the system has it.
func (f osFile) SyncData() error { return syncData(f.File) }

// maxRead bounds ReadFile, in bytes. A log's largest file, a tile of the
// longest entries, has half as many.
const maxRead = 128 << 20

// ReadFile reads a whole regular file, of at most 128 MiB.
func ReadFile(fsys FS, path string) ([]byte, error) {
	f, size, err := OpenRegular(fsys, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > maxRead {
		return nil, fmt.Errorf("reading %s: more than %d bytes", path, maxRead)
	}
	data := make([]byte, size)
	if n, err := f.ReadAt(data, 0); n < len(data) {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

// OpenRegular opens a regular file for reading and returns its size in bytes. It opens no
// other files: opening a pipe would block until a process writes to it.
func OpenRegular(fsys FS, path string) (f File, size int64, err error) {
	if info, err := fsys.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil, 0, cmp.Or(err, fmt.Errorf("reading %s: not a regular file", path))
	}
	if f, err = fsys.Open(path, os.O_RDONLY, 0); err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// Content returns the first size bytes of f for [net/http.ServeContent]. If these are all
// of a file of this machine, the kernel can send them without a copy in memory.
func Content(f File, size int64) io.ReadSeeker {
	if whole, ok := f.(osFile); ok {
		if info, err := whole.Stat(); err == nil && info.Size() == size {
			return whole.File
		}
	}
	return io.NewSectionReader(f, 0, size)
}

// MkdirAll creates a directory with its parents, like [os.MkdirAll], and makes
// them durable. An existing directory is synced too, since it may be from a
// process that was killed before doing so. Its parents are durable, since they
// were created first.
func MkdirAll(fsys FS, path string, perm fs.FileMode) error {
	path = filepath.Clean(path)
	parent := filepath.Dir(path)
	if info, err := fsys.Stat(path); err == nil && info.IsDir() {
		if err := fsys.SyncDir(parent); !errors.Is(err, fs.ErrPermission) { // without permission, this user can't have created it
			return err
		}
		return nil
	}
	if parent != path {
		if err := MkdirAll(fsys, parent, perm); err != nil {
			return err
		}
	}
	if err := fsys.Mkdir(path, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("creating directory: %w", err)
	}
	return fsys.SyncDir(parent)
}
