package keys

import (
	"errors"
	"fmt"
	"os"
)

// ErrExposed reports that a file with a key, or with the passphrase of one, can be read
// by others than its owner.
var ErrExposed = errors.New("file can be read by others")

// CheckMode refuses a file that others may read, where files have such modes. A pipe has
// no mode that matters.
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
	return fmt.Errorf("%w: chmod 600 %s, which has mode %#o", ErrExposed, path, mode.Perm())
}
