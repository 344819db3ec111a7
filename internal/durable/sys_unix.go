// SPDX-License-Identifier: Apache-2.0

//go:build unix

package durable

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// syncDir makes the names in a directory durable: files created, renamed,
// removed.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("syncing directory: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("syncing directory: %w", err)
	}
	return nil
}

// canLockDirs reports that directories can be opened and locked like files.
const canLockDirs = true

func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// keepOwner writes the owner and the group of another file to the one at path.
func keepOwner(path string, of os.FileInfo) error {
	ours, err := os.Stat(path)
	if err != nil {
		return err
	}
	want, wantOK := of.Sys().(*syscall.Stat_t)
	have, haveOK := ours.Sys().(*syscall.Stat_t)
	if !wantOK || !haveOK || want.Uid == have.Uid && want.Gid == have.Gid {
		return nil
	}
	return os.Chown(path, int(want.Uid), int(want.Gid))
}
