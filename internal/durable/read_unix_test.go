// SPDX-License-Identifier: Apache-2.0

//go:build unix

package durable

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestReadFileRefuses checks that ReadFile does not block on a pipe, and does not read an
// endless file into memory.
func TestReadFileRefuses(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<40); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, large, dir, os.DevNull, filepath.Join(dir, "missing")} {
		if data, err := ReadFile(OS{}, path); err == nil {
			t.Errorf("%s: %d bytes", path, len(data))
		}
	}
}
