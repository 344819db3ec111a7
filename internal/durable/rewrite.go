// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Rewrite replaces the content of an existing file like [Replace]. The file keeps its
// mode and its owner, so that its readers can still read it. A symbolic link stays, and the
// file that it leads to is replaced.
func Rewrite(path string, data []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("replacing file: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("replacing file: %w", err)
	}
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("replacing file: %w", err)
	}
	if err := writeNew(OS{}, temp, data, info.Mode().Perm()); err != nil {
		return err
	}
	err = keepOwner(temp, info)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return fmt.Errorf("replacing file: %w", errors.Join(err, os.Remove(temp)))
	}
	return syncDir(filepath.Dir(path))
}

// Alone calls edit while no other process is in a call of Alone with this path.
// Meanwhile there is a file path.lock. Errors match [ErrLocked] if others hold it for
// a minute.
func Alone(path string, edit func() error) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	release, err := lockBriefly(path + ".lock")
	if err != nil {
		return err
	}
	defer release()
	return edit()
}
