// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// syncDir does nothing on Windows, where directories can't be synced: NTFS
// journals names itself.
func syncDir(string) error { return nil }

// canLockDirs reports that directories can't be opened like files.
const canLockDirs = false

// keepOwner returns nil: on Windows, a file belongs to whom its directory says.
func keepOwner(string, os.FileInfo) error { return nil }

func lockFile(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}
