package durable

import (
	"errors"
	"fmt"
	"os"
)

// ErrLocked says that another process, or another Lock of this one, holds the
// lock: stop, two writers would destroy what it guards.
var ErrLocked = errors.New("locked by another process")

// FileLock is a lock that the kernel gives back when its process ends, however
// that ends.
type FileLock struct{ file *os.File }

// Lock takes the lock that the file at path stands for, without waiting. The
// file is made if missing, and stays.
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

// Close gives the lock back.
func (l *FileLock) Close() error { return l.file.Close() }
