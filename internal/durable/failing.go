package durable

import (
	"errors"
	"syscall"
)

// probeSize is how many bytes Probe writes: what a log or store needs to go on for a while.
const probeSize = 1 << 20

// Failing reports whether err is of a disk that is full, read-only or broken: nothing that
// the caller could do otherwise, and it may pass.
func Failing(err error) bool {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// Probe reports why nothing can be written in dir, by writing 1 MiB there and removing it.
func Probe(fsys FS, dir string) error {
	temp, err := writeTemp(fsys, dir, make([]byte, probeSize), 0o600)
	if err != nil {
		return err
	}
	return fsys.Remove(temp)
}
