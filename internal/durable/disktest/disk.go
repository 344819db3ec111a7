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

// ErrStopped is what everything answers from the moment that Stop has set.
var ErrStopped = errors.New("disk has stopped")

// Disk is a file system, empty but for its root directory. It is safe for
// concurrent use.
type Disk struct {
	mu     sync.Mutex
	random *rand.Rand
	root   *inode
	fail   func(Operation) error
	left   int // operations until it stops; 0: it does not
	off    bool
	locks  map[string]bool
}

// Operation is what a caller asks of the disk.
type Operation struct {
	Name string // of the method of durable.FS or durable.File, in lower case
	Path string
}

// Changes says whether the operation changes what is on the disk: a disk that is
// read-only refuses it.
func (o Operation) Changes() bool {
	return !slices.Contains([]string{"open", "stat", "readdir", "readat", "close", "lock"}, o.Name)
}

// New makes a disk. Its chance is in seed: the same calls in the same order have
// the same outcome.
func New(seed uint64) *Disk {
	return &Disk{random: rand.New(rand.NewPCG(seed, 0)), root: newDir(), locks: map[string]bool{}}
}

// Fail has each operation ask f, before it is done, for an error to fail with; nil
// asks nobody. A write that fails may have written a part; a sync that fails has
// lost what it was to keep.
func (d *Disk) Fail(f func(Operation) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = f
}

// Stop ends the process that uses the disk, after so many operations more, at least
// one: from then on they answer ErrStopped. ProcessKilled or PowerFailed says what
// it was, and lets a new process begin; files that were open are of no use to it.
func (d *Disk) Stop(after int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = after
}

// ProcessKilled leaves the disk as the process last saw it.
func (d *Disk) ProcessKilled() { d.restart(func() {}) }

// PowerFailed leaves what was synced, and by chance more.
func (d *Disk) PowerFailed() { d.restart(func() { d.root.lose(d.random) }) }

func (d *Disk) restart(lose func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	lose()
	d.off, d.left, d.fail = false, 0, nil
	clear(d.locks)
}

// begin is the start of every operation; d.mu is held.
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

// find walks to a path.
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

// place finds the directory of a path, and gives the name in it.
func (d *Disk) place(path string) (*inode, string, error) {
	dir, err := d.find(filepath.Dir(path))
	if err == nil && !dir.isDir() {
		err = fmt.Errorf("%s is no directory", filepath.Dir(path))
	}
	return dir, filepath.Base(path), err
}

// do does one operation on a path that has to exist.
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

// Stat gives size and kind.
func (d *Disk) Stat(path string) (info fs.FileInfo, err error) {
	err = d.do("stat", path, func(n *inode) error { info = n.info(filepath.Base(path)); return nil })
	return info, err
}

// ReadDir gives what is in a directory, sorted.
func (d *Disk) ReadDir(path string) (all []fs.DirEntry, err error) {
	err = d.do("readdir", path, func(dir *inode) error { all = dir.entries(); return nil })
	return all, err
}

// Lock takes a lock that the power failure takes back.
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

// info is what Stat says of an inode.
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
