// SPDX-License-Identifier: Apache-2.0

package posix

import (
	"path/filepath"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

// file is a note in a file.
type file struct {
	fs     durable.FS
	path   string
	beside bool // it is in the directory of another log or store
}

// Name implements tilelog.Note.
func (f file) Name() string { return f.path }

// Read implements tilelog.Note.
func (f file) Read() ([]byte, error) { return durable.ReadFile(f.fs, f.path) }

// Write implements tilelog.Note. In the directory of another log or store it writes only if
// that is there, as its lock shows: in one that is lost, a note would be in the way of what
// is restored.
func (f file) Write(checkpoint []byte) error {
	if f.beside {
		if _, err := f.fs.Stat(filepath.Join(filepath.Dir(f.path), "lock")); err != nil {
			return err
		}
	}
	return durable.Replace(f.fs, f.path, checkpoint, 0o644)
}
