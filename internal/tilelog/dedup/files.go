// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

// tempPrefix begins the names of runs that are being written.
const tempPrefix = ".tmp-"

// A source is a run's file, open for reading.
type source interface {
	io.ReaderAt
	io.Closer
}

// A directory holds the files of an index. This package uses no others.
type directory struct {
	fs  durable.FS
	dir string
}

func (d directory) path(name string) string { return filepath.Join(d.dir, name) }

// names creates the directory if it is missing, and lists its contents.
func (d directory) names() ([]string, error) {
	if err := durable.MkdirAll(d.fs, d.dir, 0o755); err != nil {
		return nil, err
	}
	entries, err := d.fs.ReadDir(d.dir)
	if err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// open opens a run and returns its size in bytes.
func (d directory) open(name string) (source, int64, error) {
	f, err := d.fs.Open(d.path(name), os.O_RDONLY, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("opening run: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("opening run: %w", err)
	}
	return f, info.Size(), nil
}

// A temporary is a file being written. It must be committed or abandoned.
type temporary struct {
	durable.File
	name string
}

func (d directory) create() (*temporary, error) {
	name := tempPrefix + rand.Text()
	f, err := d.fs.Open(d.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating run: %w", err)
	}
	return &temporary{f, name}, nil
}

// commit makes a temporary file durable under its name.
func (d directory) commit(f *temporary, name string) error {
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing run: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("closing run: %w", err)
	}
	if err := d.fs.Rename(d.path(f.name), d.path(name)); err != nil {
		return fmt.Errorf("naming run: %w", err)
	}
	return d.fs.SyncDir(d.dir)
}

// abandon removes a temporary file, unless it was committed.
func (d directory) abandon(f *temporary) {
	f.Close()
	d.fs.Remove(d.path(f.name))
}

// remove removes files durably. If the log lost its tail and went on with other leaves, a run
// of the old ones must not come back after a crash.
func (d directory) remove(names ...string) error {
	if len(names) == 0 {
		return nil
	}
	for _, name := range names {
		if err := d.fs.Remove(d.path(name)); err != nil {
			return fmt.Errorf("removing run: %w", err)
		}
	}
	return d.fs.SyncDir(d.dir)
}

func isTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }
