// SPDX-License-Identifier: Apache-2.0

package durable

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	addsTo  = "HALLMARK_TEST_ADDS_TO" // in the environment of the processes of TestAddLineProcesses
	adders  = 8
	perEach = 25
)

func addLines(t *testing.T, path, who string) {
	t.Helper()
	for k := range perEach {
		if err := AddLine(path, fmt.Appendf(nil, "%s %d %s", who, k, strings.Repeat("x", 5000)), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// TestAddLineProcesses checks that lines added concurrently by processes and goroutines are
// all present and complete.
func TestAddLineProcesses(t *testing.T) {
	if path := os.Getenv(addsTo); path != "" {
		addLines(t, path, fmt.Sprint(os.Getpid()))
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var all sync.WaitGroup
	for k := range adders {
		all.Go(func() { addLines(t, path, fmt.Sprint("goroutine", k)) })
		all.Go(func() {
			c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAddLineProcesses$")
			c.Env = append(os.Environ(), addsTo+"="+path)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.Sorted(strings.Lines(string(raw)))
	if n := len(slices.Compact(lines)); n != 2*adders*perEach {
		t.Errorf("%d lines, want %d", n, 2*adders*perEach)
	}
	for _, line := range lines {
		if !strings.HasSuffix(line, "xxx\n") {
			t.Errorf("half a line: %.40q", line)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

func TestAddLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, before := range []string{"", "a", "a\n", "a\n\n"} {
		if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
		want := "b\n"
		if before != "" {
			want = "a\nb\n"
		}
		err := AddLine(path, []byte("b"), 0o644)
		if got, unread := os.ReadFile(path); err != nil || unread != nil || !bytes.Equal(got, []byte(want)) {
			t.Errorf("%q: %q, %v", before, got, errors.Join(err, unread))
		}
	}
	if err := AddLine(filepath.Join(path, "below"), []byte("b"), 0o644); err == nil {
		t.Error("AddLine below a file succeeded")
	}
}
