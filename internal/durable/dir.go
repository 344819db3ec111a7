package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// TemporaryDirs matches the directories that CreateDir fills, and that it leaves if it is
// killed.
const TemporaryDirs = ".hallmark-init-*"

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
	temporary, err := os.MkdirTemp(parent, TemporaryDirs)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary) // nothing is there once it has been renamed
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
