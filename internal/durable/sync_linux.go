// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"errors"
	"os"
	"syscall"
)

// syncData calls fdatasync, which writes content and size, without timestamps.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
