// SPDX-License-Identifier: Apache-2.0

//go:build unix

package logread_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hallmark-sign/hallmark/client/logread"
)

// TestPipe checks that reading does not block on a pipe in place of a tile.
func TestPipe(t *testing.T) {
	t.Parallel()
	m := newMade(t, 300, 5)
	path := filepath.Join(m.dir, "tile/0/000")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := m.log().Check(t.Context(), logread.CheckOptions{}); err == nil {
		t.Errorf("found %v", r.Findings)
	}
}
