package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// TemporaryDirs matches the directories that CreateDir fills. Those that it leaves when it
// is killed the next CreateDir beside them removes, where the system can tell.
const TemporaryDirs = ".hallmark-init-*"

// TempDir makes a directory in parent, as os.MkdirTemp does. remove removes it; if this
// process is killed before, the next TempDir of the same pattern does. Nobody need call
// remove for a directory that was renamed.
func TempDir(parent, pattern string) (dir string, remove func(), err error) {
	clearAbandoned(filepath.Join(parent, pattern))
	for range 100 { // one that is not locked yet may be taken for abandoned
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

// clearAbandoned removes the directories of processes that have ended. What can't be
// removed stays.
func clearAbandoned(pattern string) {
	left, _ := filepath.Glob(pattern) // the pattern is well-formed
	for _, dir := range left {
		if lock, err := lockDir(dir); err == nil {
			os.RemoveAll(dir)
			lock.Close()
		}
	}
}

// lockDir takes the lock of a directory, which the kernel gives back with the process.
// Errors: ErrLocked, errors.ErrUnsupported.
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

// CreateDir makes a directory with what fill puts into it, all at once: fill is
// given another one beside it, which is renamed when it is full. dir must be missing
// or empty: errors.Is(err, fs.ErrExist) if it is not.
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
	defer remove() // nothing is there once it has been renamed
	if err := os.Chmod(temporary, perm); err != nil {
		return err
	}
	if err := fill(temporary); err != nil {
		return err
	}
	// An empty directory may stand in the way.
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	}
	if err := os.Rename(temporary, dir); err != nil {
		return err
	}
	return SyncDir(parent)
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
