package leafindex

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

// tempPrefix begins the names of runs that are being written.
const tempPrefix = ".tmp-"

// source is a run's file, open for reading.
type source interface {
	io.ReaderAt
	io.Closer
}

// directory is all that this package does with files.
type directory string

// names makes the directory if it is missing and lists what is in it.
func (d directory) names() ([]string, error) {
	if err := durable.MkdirAll(string(d), 0o755); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// open opens a run and gives its size in bytes.
func (d directory) open(name string) (source, int64, error) {
	f, err := os.Open(filepath.Join(string(d), name))
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

// create makes a temporary file: commit or abandon it.
func (d directory) create() (*os.File, error) {
	f, err := os.CreateTemp(string(d), tempPrefix+"*")
	if err != nil {
		return nil, fmt.Errorf("creating run: %w", err)
	}
	return f, nil
}

// commit makes a temporary file durable under its name.
func (d directory) commit(f *os.File, name string) error {
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing run: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("closing run: %w", err)
	}
	if err := os.Rename(f.Name(), filepath.Join(string(d), name)); err != nil {
		return fmt.Errorf("naming run: %w", err)
	}
	return durable.SyncDir(string(d))
}

// abandon removes a temporary file, as far as it still is one.
func (d directory) abandon(f *os.File) {
	f.Close()
	os.Remove(f.Name())
}

// remove removes files so that they stay away after a crash: a run that the log
// has outgrown with other leaves must not come back.
func (d directory) remove(names ...string) error {
	if len(names) == 0 {
		return nil
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(string(d), name)); err != nil {
			return fmt.Errorf("removing run: %w", err)
		}
	}
	return durable.SyncDir(string(d))
}

func isTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }
