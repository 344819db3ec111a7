// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
)

// Find returns the configuration file that path names: path itself, or the one in the
// instance's directory path.
func Find(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, File)
	}
	return path
}
