// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"errors"
	"syscall"
)

// probeSize is the number of bytes that Probe writes: enough for a log or store
// to continue for a while.
const probeSize = 1 << 20

// Failing reports whether err means that a disk is full, read-only or broken.
// The caller can't avoid such an error, and it may go away.
func Failing(err error) bool {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// Probe checks that dir is writable by writing 1 MiB there and removing it.
func Probe(fsys FS, dir string) error {
	temp, err := writeTemp(fsys, dir, make([]byte, probeSize), 0o600)
	if err != nil {
		return err
	}
	return fsys.Remove(temp)
}
