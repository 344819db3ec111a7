// SPDX-License-Identifier: Apache-2.0

package disktest

import (
	"io"
	"io/fs"
	"path/filepath"
)

// A file is an open file.
type file struct {
	disk *Disk
	node *inode
	path string
}

// do performs one operation or, if it is to fail, calls failed.
func (f *file) do(name string, with, failed func()) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.begin(name, f.path); err != nil {
		if failed != nil && !f.disk.off {
			failed()
		}
		return err
	}
	with()
	return nil
}

// ReadAt reads.
func (f *file) ReadAt(p []byte, at int64) (n int, err error) {
	err = f.do("readat", func() {
		if at < int64(len(f.node.content)) {
			n = copy(p, f.node.content[at:])
		}
	}, nil)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// WriteAt writes. On failure it may have written a part.
func (f *file) WriteAt(p []byte, at int64) (int, error) {
	n := len(p)
	err := f.do("writeat", func() { f.node.write(p, int(at)) }, func() {
		n = f.disk.random.IntN(len(p) + 1)
		f.node.write(p[:n], int(at))
	})
	return n, err
}

// Sync makes the content durable.
func (f *file) Sync() error {
	return f.do("sync", f.node.sync, func() { f.node.failSync(f.disk.random) })
}

// SyncData makes the content durable.
func (f *file) SyncData() error {
	return f.do("syncdata", f.node.sync, func() { f.node.failSync(f.disk.random) })
}

// Chmod sets the mode.
func (f *file) Chmod(perm fs.FileMode) error {
	return f.do("chmod", func() { f.node.mode = perm }, nil)
}

// Stat returns size and mode.
func (f *file) Stat() (i fs.FileInfo, err error) {
	err = f.do("stat", func() { i = f.node.info(filepath.Base(f.path)) }, nil)
	return i, err
}

// Close does nothing.
func (f *file) Close() error { return nil }
