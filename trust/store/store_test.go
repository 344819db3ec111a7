// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hallmark-sign/hallmark/trust/store"
)

// Names lead to directories in the store alone.
func TestNames(t *testing.T) {
	s := store.Store{Dir: t.TempDir()}
	for _, bad := range []string{"", ".", "..", "a/b", "../x", ".hidden", "a\x00"} {
		if _, err := s.Instance(bad); !errors.Is(err, store.ErrName) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, name := range []string{"work", "host-7500", ".hidden"} {
		if err := os.MkdirAll(filepath.Join(s.Dir, "instances", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.List(); err != nil || !slices.Equal(got, []string{"host-7500", "work"}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := s.Default(); err != nil || got != "" {
		t.Errorf("%q, %v", got, err)
	}
	if got := store.Name("https://[::1]:7500/x"); got != "1-7500" {
		t.Errorf("%q", got)
	}
}
