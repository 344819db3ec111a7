// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestCalls(t *testing.T) {
	short, err := os.MkdirTemp("", "c") // the path of a socket has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	testCalls(t, short)
	if runtime.GOOS == "linux" {
		testCalls(t, filepath.Join(t.TempDir(), strings.Repeat("d", 200)))
	}
}

func testCalls(t *testing.T, dir string) {
	if err := Call(t.Context(), dir, Reload); !errors.Is(err, ErrNotRunning) {
		t.Errorf("before: %v", err)
	}
	refusal := error(nil)
	for range 2 { // the second server finds the socket of the first
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- Serve(ctx, dir, map[string]func(context.Context) error{Reload: func(context.Context) error { return refusal }})
		}()
		waitFor(t, func() bool { return !errors.Is(Call(t.Context(), dir, Reload), ErrNotRunning) })
		for path, mode := range map[string]os.FileMode{socket(dir): 0o600, dir + "/run": 0o700} {
			if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != mode {
				t.Errorf("%s: %v, %v", path, info, err)
			}
		}
		refusal = nil
		if err := Call(t.Context(), dir, Reload); err != nil {
			t.Error(err)
		}
		refusal = errors.New("line 3: no such key")
		if err := Call(t.Context(), dir, Reload); err == nil || err.Error() != "line 3: no such key" {
			t.Errorf("got %v", err)
		}
		if err := Call(t.Context(), dir, "/other"); err == nil {
			t.Error("an unknown call succeeds")
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(socket(dir), nil, 0o600); err != nil { // as a killed server leaves it
			t.Fatal(err)
		}
		if err := Call(t.Context(), dir, Reload); !errors.Is(err, ErrNotRunning) {
			t.Errorf("after: %v", err)
		}
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server does not answer")
		}
	}
}
