// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"errors"
	"fmt"
	"os"
)

// ErrExposed reports that a file with a key or a passphrase is readable by
// other users.
var ErrExposed = errors.New("file can be read by others")

// CheckMode refuses a file that other users may read, where files have modes.
// The mode of a pipe does not matter.
func CheckMode(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	mode := info.Mode()
	// On Windows, Go reports 0666 for every writable file.
	if !mode.IsRegular() || mode.Perm()&0o077 == 0 || os.PathSeparator == '\\' && mode.Perm() == 0o666 {
		return nil
	}
	return fmt.Errorf("%w: run chmod 600 %s, its mode is %#o", ErrExposed, path, mode.Perm())
}
