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

// TestNames checks that names lead only to directories in the store.
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

// TestSelect checks that an instance is selected by its name, then by HALLMARK_INSTANCE, then
// as the default, and that the pinned ones are listed only if none is selected.
func TestSelect(t *testing.T) {
	s := store.Store{Dir: t.TempDir()}
	instances := filepath.Join(s.Dir, "instances")
	none := func(string) string { return "" }
	if _, err := s.Select("", none); err == nil || err.Error() != "this client trusts no instance yet" {
		t.Error(err)
	}
	if err := os.MkdirAll(filepath.Join(instances, "work"), 0o755); err != nil {
		t.Fatal(err)
	}
	missing := new(store.NoInstance)
	if _, err := s.Select("", none); !errors.As(err, &missing) || !slices.Equal(missing.Pinned, []string{"work"}) {
		t.Error(err)
	}
	if _, err := store.File(filepath.Join(instances, "work"), "trusted_root.json"); !errors.As(err, &missing) || missing.Name != "work" {
		t.Error(err)
	}
	if err := errors.Join(os.RemoveAll(instances), os.WriteFile(instances, nil, 0o644)); err != nil { // can't be listed
		t.Fatal(err)
	}
	named := func(string) string { return "other" }
	for _, c := range []struct {
		name   string
		getenv func(string) string
		want   string
	}{{"work", named, "work"}, {"", named, "other"}} {
		if dir, err := s.Select(c.name, c.getenv); err != nil || dir != filepath.Join(instances, c.want) {
			t.Errorf("%s, %v", dir, err)
		}
	}
	if err := os.WriteFile(s.DefaultFile(), []byte("home\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if dir, err := s.Select("", none); err != nil || dir != filepath.Join(instances, "home") {
		t.Errorf("%s, %v", dir, err)
	}
	if _, err := s.Select("../x", none); !errors.Is(err, store.ErrName) {
		t.Error(err)
	}
}
