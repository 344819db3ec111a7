// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/evidence"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
)

const (
	killDir      = "EVIDENCE_KILL_DIR"
	killSubjects = 3
	killBundles  = 16 // of each subject
)

// TestKillChild runs in the process that TestKill kills: 64 clients post the files in DIR/todo
// repeatedly. Without TestKill it does nothing.
func TestKillChild(t *testing.T) {
	t.Parallel()
	dir := os.Getenv(killDir)
	if dir == "" {
		t.Skip("run by TestKill")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "root.json"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := trust.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	s, err := evidence.New(evidence.Options{Dir: filepath.Join(dir, "store"), Root: root, MaxBytes: 1 << 30, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "todo", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	for range 64 {
		clients.Go(func() {
			for {
				file := files[rand.IntN(len(files))]
				if err := keep(t, s, file); err != nil {
					t.Error(err)
					return
				}
				fmt.Printf("ack %s\n", filepath.Base(file))
			}
		})
	}
	clients.Wait()
}

// keep stores a file that is named DIGEST-NUMBER.
func keep(t *testing.T, s *evidence.Store, file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, err = s.Keep(t.Context(), digestIn(t, filepath.Base(file)), raw)
	return err
}

// digestIn returns the digest of a name DIGEST-NUMBER.
func digestIn(t *testing.T, name string) []byte {
	t.Helper()
	text, _, _ := strings.Cut(name, "-")
	digest, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// runAndKill runs the child for a while, kills it, and returns its output.
func runAndKill(t *testing.T, dir string) []string {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
	child.Env = append(os.Environ(), killDir+"="+dir)
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var acks []string
	for lines := bufio.NewReader(stdout); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // a line truncated by the kill does not count
		}
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "ack ")
		if !ok {
			t.Errorf("child says %s", line)
			continue
		}
		if len(acks) == 0 {
			time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, func() { child.Process.Kill() })
		}
		acks = append(acks, name)
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("child was not killed: %v", err)
	}
	return acks
}

// TestKill sends kill -9 while 64 clients post. Every acknowledged bundle must be stored once
// and complete, the IDs of each subject must have no gap, and the store must continue from
// there.
func TestKill(t *testing.T) {
	t.Parallel()
	root := hallmarktest.New(t)
	dir := t.TempDir()
	copyFile(t, root.TrustedRootFile, filepath.Join(dir, "root.json"))
	signatures := map[string]string{} // of each file
	for subject := range killSubjects {
		digest, _ := signed(t, root, fmt.Sprint(subject))
		for k, raw := range many(t, root, digest, killBundles) {
			name := fmt.Sprintf("%x-%d", digest, k)
			writeFile(t, filepath.Join(dir, "todo", name), raw)
			signatures[name] = signature(t, raw)
		}
	}
	found := 0
	rounds := testkit.Rounds(2, 20)
	for range rounds {
		store := filepath.Join(dir, "store")
		if err := os.RemoveAll(store); err != nil {
			t.Fatal(err)
		}
		found += checkStore(t, durable.OS{}, store, signatures, runAndKill(t, dir))
		s, err := evidence.New(evidence.Options{Dir: store, Root: root.Root, MaxBytes: 1 << 30, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(filepath.Join(store, "tmp")); err != nil || len(left) > 0 {
			t.Errorf("%d files half-written are left, %v", len(left), err)
		}
		for name := range signatures {
			if err := keep(t, s, filepath.Join(dir, "todo", name)); err != nil {
				t.Error(err)
			}
		}
		if got := checkStore(t, durable.OS{}, store, signatures, slices.Collect(maps.Keys(signatures))); got != len(signatures) {
			t.Errorf("%d bundles in the end, want %d", got, len(signatures))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("killed with %d of %d bundles in the stores", found, rounds*len(signatures))
}

// checkStore counts the bundles of a store after it has checked them.
func checkStore(t *testing.T, fsys durable.FS, dir string, signatures map[string]string, acked []string) int {
	t.Helper()
	stored := map[string]bool{}
	for _, fan := range below(t, fsys, filepath.Join(dir, "sha256")) {
		for _, subject := range below(t, fsys, fan) {
			for k, file := range below(t, fsys, subject) {
				if !strings.HasPrefix(filepath.Base(file), fmt.Sprintf("%06d-", k+1)) {
					t.Errorf("%s is number %d", file, k+1)
				}
				raw, err := durable.ReadFile(fsys, file)
				if err != nil {
					t.Fatal(err)
				}
				s := filepath.Base(subject) + signature(t, raw)
				if stored[s] {
					t.Errorf("%s is stored twice", file)
				}
				stored[s] = true
			}
		}
	}
	for _, name := range acked {
		text, _, _ := strings.Cut(name, "-")
		if !stored[text+signatures[name]] {
			t.Errorf("%s was acknowledged and is missing", name)
		}
	}
	return len(stored)
}

// below returns the paths of all files in a directory.
func below(t *testing.T, fsys durable.FS, dir string) []string {
	t.Helper()
	entries, err := fsys.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var paths []string
	for _, entry := range entries {
		paths = append(paths, filepath.Join(dir, entry.Name()))
	}
	return paths
}

func signature(t *testing.T, raw []byte) string {
	t.Helper()
	b, err := bundle.Parse(raw)
	if err != nil {
		t.Fatalf("%v: %.200s", err, raw)
	}
	return string(slices.Clone(b.Signature()))
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, to, raw)
}
