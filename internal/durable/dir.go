// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// TemporaryDirs matches the directories that [CreateDir] fills. If CreateDir is
// killed, the next CreateDir in the same parent removes its directory, where
// the system can tell.
const TemporaryDirs = ".hallmark-init-*"

// TempDir creates a directory in parent, like [os.MkdirTemp]. remove removes
// it. If the process is killed first, the next TempDir with the same pattern
// does. A directory that was renamed need not be removed.
func TempDir(parent, pattern string) (dir string, remove func(), err error) {
	clearAbandoned(filepath.Join(parent, pattern))
	for range 100 { // another process may remove a directory that is not locked yet
		if dir, err = os.MkdirTemp(parent, pattern); err != nil {
			return "", nil, err
		}
		lock, failed := lockDir(dir)
		if errors.Is(failed, errors.ErrUnsupported) {
			return dir, func() { os.RemoveAll(dir) }, nil
		}
		if failed == nil && lock.stands(dir) {
			return dir, func() { os.RemoveAll(dir); lock.Close() }, nil
		}
		if failed == nil {
			lock.Close()
		}
		err = failed
	}
	return "", nil, fmt.Errorf("locking temporary directory: %w", err)
}

// clearAbandoned removes the directories of processes that have ended. Errors
// are ignored.
func clearAbandoned(pattern string) {
	left, _ := filepath.Glob(pattern) // the pattern is well-formed
	for _, dir := range left {
		if lock, err := lockDir(dir); err == nil {
			os.RemoveAll(dir)
			lock.Close()
		}
	}
}

// lockDir locks a directory. The kernel releases the lock when the process
// ends. Errors match [ErrLocked] or [errors.ErrUnsupported].
func lockDir(path string) (*FileLock, error) {
	if !canLockDirs {
		return nil, errors.ErrUnsupported
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, err
	}
	return &FileLock{f}, nil
}

// CreateDir creates a directory with the content that fill writes, all at once:
// fill writes to a temporary directory in the same parent, which is then
// renamed. dir must be missing or empty; otherwise the error matches
// [fs.ErrExist].
func CreateDir(dir string, perm fs.FileMode, fill func(dir string) error) error {
	if err := createDir(filepath.Clean(dir), perm, fill); err != nil {
		return fmt.Errorf("making directory: %w", err)
	}
	return nil
}

func createDir(dir string, perm fs.FileMode, fill func(dir string) error) error {
	if err := checkEmpty(dir); err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	if err := MkdirAll(OS{}, parent, 0o755); err != nil {
		return err
	}
	temporary, remove, err := TempDir(parent, TemporaryDirs)
	if err != nil {
		return err
	}
	defer remove() // does nothing once it has been renamed
	if err := os.Chmod(temporary, perm); err != nil {
		return err
	}
	if err := fill(temporary); err != nil {
		return err
	}
	// An empty directory may exist under the name.
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	}
	if err := os.Rename(temporary, dir); err != nil {
		return err
	}
	return syncDir(parent)
}

func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: %w", dir, fs.ErrExist)
	}
	return nil
}
