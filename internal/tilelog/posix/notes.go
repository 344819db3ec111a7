// SPDX-License-Identifier: Apache-2.0

package posix

import (
	"path/filepath"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

// A file is a note in a file.
type file struct {
	fs     durable.FS
	path   string
	beside bool // in the directory of another log or store
}

// Name implements tilelog.Note.
func (f file) Name() string { return f.path }

// Read implements tilelog.Note.
func (f file) Read() ([]byte, error) { return durable.ReadFile(f.fs, f.path) }

// Write implements tilelog.Note. In the directory of another log or store it writes only if
// the directory's lock exists. If that directory is lost, a note would obstruct restoring it.
func (f file) Write(checkpoint []byte) error {
	if f.beside {
		if _, err := f.fs.Stat(filepath.Join(filepath.Dir(f.path), "lock")); err != nil {
			return err
		}
	}
	return durable.Replace(f.fs, f.path, checkpoint, 0o644)
}
