// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"errors"
	"fmt"
	"os"
)

// ErrLocked reports that another process, or another Lock of this one, holds
// the lock. The caller must stop, since two writers would destroy the data.
var ErrLocked = errors.New("locked by another process")

// A FileLock is a lock that the kernel releases when the process ends.
type FileLock struct{ file *os.File }

// Lock locks the file at path without waiting. The file is created if missing
// and is not removed.
func Lock(path string) (*FileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return &FileLock{f}, nil
}

// Close releases the lock.
func (l *FileLock) Close() error { return l.file.Close() }
