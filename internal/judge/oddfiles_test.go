// SPDX-License-Identifier: Apache-2.0

//go:build unix

package judge_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/verify"
)

func pipe(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPipes checks that a pipe that was found is not opened, and that one that was named is
// waited for until the context ends.
func TestPipes(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	j, s := newJudge(t, i), i.Signer(t, alice)
	for _, name := range []string{"artifact", "bundle"} {
		signFile(t, s, filepath.Join(dir, name, "file"), "content")
	}
	for _, path := range []string{filepath.Join(dir, "artifact", "file"), filepath.Join(dir, "bundle", "file"+find.Suffix)} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		pipe(t, path)
	}
	for arg, want := range map[string]string{"artifact": "unreadable", "artifact/*": "unreadable", "bundle": "could-not-look", "bundle/file": "could-not-look"} {
		if got := code(t, said(t, j, find.Finder{}, filepath.Join(dir, arg))); got != want {
			t.Errorf("%s: %s, want %s", arg, got, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	named := find.Finder{}.All([]string{filepath.Join(dir, "artifact", "file")})
	if err := j.All(ctx, named, func(judge.Verdict) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a pipe that was named: %v", err)
	}
}

// TestLinkToDirectory checks that a symbolic link to a directory is followed if it is an
// argument.
func TestLinkToDirectory(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	signFile(t, i.Signer(t, alice), filepath.Join(dir, "dist", "file"), "content")
	if err := os.Symlink("dist", filepath.Join(dir, "latest")); err != nil {
		t.Fatal(err)
	}
	all := said(t, newJudge(t, i), find.Finder{}, filepath.Join(dir, "latest"))
	if got := code(t, all); got != "verified" || all[0].Name != filepath.Join(dir, "latest", "file") {
		t.Errorf("%s: %s", all[0].Name, got)
	}
}

// TestBundleOfDirectory checks that a file named like a bundle must be signed if there is no
// file that the bundle could belong to.
func TestBundleOfDirectory(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	signFile(t, i.Signer(t, alice), filepath.Join(dir, "lib", "file"), "content")
	write(t, filepath.Join(dir, "lib"+find.Suffix), "anything")
	all := said(t, newJudge(t, i), find.Finder{}, dir)
	if len(all) != 2 || all[0].Problem() != nil || all[1].Problem() == nil || all[1].Problem().Code != "unreadable" {
		t.Errorf("%+v", all)
	}
}

// TestUnseenIsUndecided checks that an artifact is undecided if its missing signature may be in
// an unreadable place.
func TestUnseenIsUndecided(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	path := filepath.Join(dir, "file")
	signFile(t, i.Signer(t, "mallory@example.com"), path, "content")
	pipe(t, path+find.LinesSuffix)
	if got := code(t, said(t, newJudge(t, i), find.Finder{}, path)); got != "could-not-look" {
		t.Errorf("refused, and another unseen: %s", got)
	}
	signFile(t, i.Signer(t, alice), path, "content")
	if got := code(t, said(t, newJudge(t, i), find.Finder{}, path)); got != "verified" {
		t.Errorf("good, and another unseen: %s", got)
	}
}

// TestPatternOverUnreadable checks that a pattern that covers an unreadable directory is not
// reported as matching nothing.
func TestPatternOverUnreadable(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	signFile(t, i.Signer(t, alice), filepath.Join(dir, "file"), "content")
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadDir(closed); err == nil {
		t.Skip("this user may read everything")
	}
	if got := code(t, said(t, newJudge(t, i), find.Finder{}, filepath.Join(dir, "**"))); got != "could-not-look" {
		t.Error(got)
	}
}

// TestManyValues checks that the cost of a line with millions of values is proportional to its
// length.
func TestManyValues(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	path := filepath.Join(dir, "file")
	write(t, path, "content")
	write(t, path+find.LinesSuffix, strings.Repeat("1 ", 8<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if got := code(t, said(t, newJudge(t, i), find.Finder{}, path)); got != "unreadable" {
		t.Error(got)
	}
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 200 { // of 16, read twice; the race detector doubles it
		t.Errorf("took %d MiB", took)
	}
}

// TestHints checks that names can't control the terminal, and that hints can be pasted into a
// shell.
func TestHints(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	t.Chdir(dir)
	j, s := newJudge(t, i), i.Signer(t, "mallory@example.com")
	env := cli.Environment{Args: []string{"hallmark"}}
	for name, want := range map[string]string{
		"plain-1.0.tar.gz": "hallmark inspect plain-1.0.tar.gz.sigstore.json",
		"two words":        "hallmark inspect 'two words.sigstore.json'",
		"$(reboot)'s":      `hallmark inspect '$(reboot)'\''s.sigstore.json'`,
		"-rf":              "hallmark inspect ./-rf.sigstore.json",
		"\u200fa\u2028b":   `hallmark inspect '\u200fa\u2028b.sigstore.json'`,
		"\x1b]0;title\a":   `hallmark inspect '\u001b]0;title\u0007.sigstore.json'`,
	} {
		signFile(t, s, name, "content")
		p := said(t, j, find.Finder{}, name)[0].Problem()
		if p == nil || p.Code != string(verify.IdentityMismatch) || !strings.HasSuffix(p.Text(env.Remedy(p)), "try       "+want+"\n") {
			t.Errorf("%q: %+v", name, p)
		}
	}
}
