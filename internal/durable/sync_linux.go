package durable

import (
	"errors"
	"os"
	"syscall"
)

// syncData is fdatasync: content and size, without the times that nobody reads.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
