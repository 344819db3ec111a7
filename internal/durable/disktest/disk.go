// SPDX-License-Identifier: Apache-2.0

package disktest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

// ErrStopped is the error of all operations after the point set by [Disk.Stop].
var ErrStopped = errors.New("disk has stopped")

// A Disk is a file system in memory. It is safe for concurrent use.
type Disk struct {
	mu     sync.Mutex
	random *rand.Rand
	root   *inode
	fail   func(Operation) error
	left   int // operations until it stops; 0 means never
	off    bool
	locks  map[string]bool
}

// An Operation is a call to the disk.
type Operation struct {
	Name string // method of durable.FS or durable.File, in lower case
	Path string
}

// Changes reports whether the operation changes the disk, so that a read-only
// disk refuses it.
func (o Operation) Changes() bool {
	return !slices.Contains([]string{"open", "stat", "readdir", "readat", "close", "lock"}, o.Name)
}

// New returns an empty disk. seed determines its random choices: the same calls
// in the same order have the same result.
func New(seed uint64) *Disk {
	return &Disk{random: rand.New(rand.NewPCG(seed, 0)), root: newDir(), locks: map[string]bool{}}
}

// Fail sets a function that is called before each operation and may return an
// error for it to fail with. Nil removes the function. A failed write may have
// written a part; a failed sync has lost data.
func (d *Disk) Fail(f func(Operation) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = f
}

// Stop ends the process that uses the disk after the given number of
// operations, at least one. From then on they fail with [ErrStopped].
// ProcessKilled or PowerFailed then starts a new process; files opened before
// must not be used.
func (d *Disk) Stop(after int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = after
}

// ProcessKilled leaves the disk as the process last saw it.
func (d *Disk) ProcessKilled() { d.restart(func() {}) }

// PowerFailed keeps what was synced and, at random, some of the rest.
func (d *Disk) PowerFailed() { d.restart(func() { d.root.lose(d.random) }) }

func (d *Disk) restart(lose func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	lose()
	d.off, d.left, d.fail = false, 0, nil
	clear(d.locks)
}

// begin starts an operation. d.mu must be held.
func (d *Disk) begin(name, path string) error {
	if d.left == 1 {
		d.off = true
	}
	d.left = max(d.left-1, 0)
	if d.off {
		return &fs.PathError{Op: name, Path: path, Err: ErrStopped}
	}
	if d.fail != nil {
		if err := d.fail(Operation{name, path}); err != nil {
			return &fs.PathError{Op: name, Path: path, Err: err}
		}
	}
	return nil
}

// find returns the inode at a path.
func (d *Disk) find(path string) (*inode, error) {
	at := d.root
	for name := range strings.SplitSeq(strings.Trim(filepath.ToSlash(filepath.Clean(path)), "/"), "/") {
		if name == "" || name == "." {
			continue
		}
		next := at.names[name]
		if next == nil {
			return nil, fs.ErrNotExist
		}
		at = next
	}
	return at, nil
}

// place returns the directory of a path and the name in it.
func (d *Disk) place(path string) (*inode, string, error) {
	dir, err := d.find(filepath.Dir(path))
	if err == nil && !dir.isDir() {
		err = fmt.Errorf("%s is not a directory", filepath.Dir(path))
	}
	return dir, filepath.Base(path), err
}

// do performs one operation on an existing path.
func (d *Disk) do(name, path string, with func(*inode) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(name, path); err != nil {
		return err
	}
	node, err := d.find(path)
	if err == nil {
		err = with(node)
	}
	if err != nil {
		return &fs.PathError{Op: name, Path: path, Err: err}
	}
	return nil
}

// SyncDir makes the names in a directory durable.
func (d *Disk) SyncDir(path string) error {
	return d.do("syncdir", path, func(dir *inode) error { dir.syncNames(); return nil })
}

// Stat returns size and mode.
func (d *Disk) Stat(path string) (info fs.FileInfo, err error) {
	err = d.do("stat", path, func(n *inode) error { info = n.info(filepath.Base(path)); return nil })
	return info, err
}

// ReadDir returns the entries of a directory, sorted.
func (d *Disk) ReadDir(path string) (all []fs.DirEntry, err error) {
	err = d.do("readdir", path, func(dir *inode) error { all = dir.entries(); return nil })
	return all, err
}

// Lock takes a lock that a power failure releases.
func (d *Disk) Lock(path string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin("lock", path); err != nil {
		return nil, err
	}
	if d.locks[path] {
		return nil, durable.ErrLocked
	}
	d.locks[path] = true
	return unlock(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.locks, path)
	}), nil
}

type unlock func()

func (u unlock) Close() error { u(); return nil }

// info implements fs.FileInfo for an inode.
type info struct {
	name string
	size int64
	mode fs.FileMode
}

func (i info) Name() string               { return i.name }
func (i info) Size() int64                { return i.size }
func (i info) Mode() fs.FileMode          { return i.mode }
func (i info) ModTime() time.Time         { return time.Time{} }
func (i info) IsDir() bool                { return i.mode.IsDir() }
func (i info) Sys() any                   { return nil }
func (i info) Type() fs.FileMode          { return i.mode.Type() }
func (i info) Info() (fs.FileInfo, error) { return i, nil }
