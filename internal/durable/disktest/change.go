// SPDX-License-Identifier: Apache-2.0

package disktest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

// Open opens or creates a file.
func (d *Disk) Open(path string, flag int, perm fs.FileMode) (durable.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := "open"
	if flag&os.O_CREATE != 0 {
		name = "create"
	}
	if err := d.begin(name, path); err != nil {
		return nil, err
	}
	node, err := d.open(path, flag, perm)
	if err != nil {
		return nil, &fs.PathError{Op: name, Path: path, Err: err}
	}
	return &file{disk: d, node: node, path: path}, nil
}

func (d *Disk) open(path string, flag int, perm fs.FileMode) (*inode, error) {
	dir, name, err := d.place(path)
	if err != nil {
		return nil, err
	}
	node := dir.names[name]
	switch {
	case node == nil && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case node != nil && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case node != nil && node.isDir():
		return nil, errors.New("is a directory")
	case node == nil:
		node = &inode{mode: perm}
		dir.set(name, node)
	}
	return node, nil
}

// Mkdir creates a directory.
func (d *Disk) Mkdir(path string, _ fs.FileMode) error {
	return d.change("mkdir", path, func(dir *inode, name string) error {
		if dir.names[name] != nil {
			return fs.ErrExist
		}
		dir.set(name, newDir())
		return nil
	})
}

// Remove removes a file or an empty directory.
func (d *Disk) Remove(path string) error {
	return d.change("remove", path, func(dir *inode, name string) error {
		switch node := dir.names[name]; {
		case node == nil:
			return fs.ErrNotExist
		case len(node.names) > 0:
			return errors.New("directory is not empty")
		}
		dir.set(name, nil)
		return nil
	})
}

// RemoveAll removes a path with everything below it.
func (d *Disk) RemoveAll(path string) error {
	err := d.change("removeall", path, func(dir *inode, name string) error {
		if dir.names[name] != nil {
			dir.set(name, nil)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Rename renames a file and replaces an existing one.
func (d *Disk) Rename(from, to string) error {
	return d.change("rename", to, func(dir *inode, name string) error {
		source, old, err := d.place(from)
		if err != nil {
			return err
		}
		node := source.names[old]
		if node == nil {
			return fs.ErrNotExist
		}
		if there := dir.names[name]; there != nil && there.isDir() {
			return fs.ErrExist
		}
		source.set(old, nil)
		dir.set(name, node)
		return nil
	})
}

// change performs one operation on a name.
func (d *Disk) change(op, path string, with func(dir *inode, name string) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(op, path); err != nil {
		return err
	}
	dir, name, err := d.place(filepath.Clean(path))
	if err == nil {
		err = with(dir, name)
	}
	if err != nil {
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}
