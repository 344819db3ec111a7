// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
)

const (
	killPassphrase = "correct horse battery"

	// steps is how many runs are killed.
	steps = 3
)

// killer runs hallmark and kills it, by SIGKILL, as it does something to the disk.
type killer struct {
	t        *testing.T
	hallmark string
	strace   string // empty: not there, so that runs are killed after a time
}

func newKiller(t *testing.T) killer {
	t.Helper()
	if testkit.Race || testing.Short() || runtime.GOOS == "windows" {
		t.Skip("takes many runs")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	k := killer{t: t, hallmark: filepath.Join(t.TempDir(), "hallmark")}
	if err := os.Symlink(self, k.hallmark); err != nil { // TestMain goes by the name
		t.Fatal(err)
	}
	if path, err := exec.LookPath("strace"); err == nil && exec.Command(path, "-f", "-o", os.DevNull, "true").Run() == nil {
		k.strace = path
	} else {
		t.Log("strace can't be used: runs are killed after a time")
	}
	return k
}

func (k killer) command(args ...string) *exec.Cmd {
	cmd := exec.Command(k.hallmark, args...)
	cmd.Env = append(os.Environ(), "HALLMARK_PASSPHRASE="+killPassphrase, "HALLMARK_HOME="+k.t.TempDir())
	return cmd
}

// run runs hallmark to its end.
func (k killer) run(args ...string) {
	k.t.Helper()
	if out, err := k.command(args...).CombinedOutput(); err != nil {
		k.t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// kill runs hallmark and kills it right after its n-th change of the disk. It returns how
// many there were, and whether that came to pass.
func (k killer) kill(n int, args ...string) (changes int, killed bool) {
	k.t.Helper()
	cmd := k.command(args...)
	if k.strace == "" {
		if n > 0 {
			time.AfterFunc(time.Duration(n)*50*time.Millisecond, func() { cmd.Process.Kill() })
		}
		out, err := cmd.CombinedOutput()
		return steps, k.wasKilled(args, out, err)
	}
	const calls = "renameat,mkdirat,unlinkat,fsync,fdatasync,linkat,pwrite64,fchmod,fchmodat"
	cmd.Path = k.strace
	// The pause after each call is for the kill to come before the next.
	cmd.Args = append([]string{"strace", "-f", "-o", "/dev/fd/3", "-e", "trace=" + calls, "-e", "inject=" + calls + ":delay_exit=3000", k.hallmark}, args...)
	lines, traced, err := os.Pipe()
	if err != nil {
		k.t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = []*os.File{traced}, &out, &out
	if err := errors.Join(cmd.Start(), traced.Close()); err != nil {
		k.t.Fatal(err)
	}
	for scanner := bufio.NewScanner(lines); scanner.Scan(); {
		thread, call, _ := strings.Cut(scanner.Text(), " ")
		if strings.Contains(call, "resumed>") || !strings.Contains(call, "(") || strings.HasPrefix(strings.TrimSpace(call), "---") {
			continue
		}
		if changes++; changes == n {
			exec.Command("kill", "-9", thread).Run() // it may have ended
		}
	}
	return changes, k.wasKilled(args, out.Bytes(), cmd.Wait())
}

// wasKilled reports whether a run was killed, rather than ended well.
func (k killer) wasKilled(args []string, out []byte, err error) bool {
	k.t.Helper()
	if err != nil && !killed(err) {
		k.t.Fatalf("%v ended by itself: %v: %s", args, err, out)
	}
	return err != nil
}

// points returns the changes of a complete run after which runs are killed: all of them in
// nightly mode.
func (k killer) points(args ...string) []int {
	k.t.Helper()
	total, _ := k.kill(0, args...)
	step := max(1, total/steps)
	if testkit.Nightly() {
		step = 1
	}
	var all []int
	for n := total; n > 0; n -= step {
		all = append(all, n)
	}
	return all
}

// killed reports whether a process, or the one that strace ran, was killed.
func killed(err error) bool {
	exit := new(exec.ExitError)
	return errors.As(err, &exit) && !exit.Exited()
}

// files lists everything below dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, strings.TrimPrefix(path, dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestKillInit checks that an init that is killed at any time leaves a complete instance or
// none, and that the next init removes the rest.
func TestKillInit(t *testing.T) {
	t.Parallel()
	k := newKiller(t)
	whole := filepath.Join(t.TempDir(), "whole")
	points := k.points("init", whole)
	want := files(t, whole)
	kills := 0
	for _, n := range points {
		parent := t.TempDir()
		dir := filepath.Join(parent, "one")
		if _, killed := k.kill(n, "init", dir); killed {
			kills++
		}
		if _, err := os.Stat(dir); err == nil {
			if got := files(t, dir); !slices.Equal(got, want) {
				t.Fatalf("killed at %d, it left %v", n, got)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		k.run("init", dir)
		left, err := os.ReadDir(parent)
		if err != nil || len(left) != 1 || !slices.Equal(files(t, dir), want) {
			t.Fatalf("killed at %d and done again: %v, %v, %v", n, left, files(t, dir), err)
		}
	}
	t.Logf("killed %d times, after changes %v of the disk", kills, points)
}

// TestKillRotate checks that a rotation that is killed at any time is completed by the next
// one, with the same result as without the kill.
func TestKillRotate(t *testing.T) {
	t.Parallel()
	k := newKiller(t)
	template := filepath.Join(t.TempDir(), "template")
	k.run("init", template)
	rotate := func(dir string) []string {
		return []string{"log", "rotate", "-c", dir, "--url", "http://localhost:7500", "--yes"}
	}
	fresh := func() string {
		dir := filepath.Join(t.TempDir(), "mine")
		if out, err := exec.Command("cp", "-a", template, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return dir
	}
	whole := fresh()
	points := k.points(rotate(whole)...)
	want := files(t, whole)
	kills := 0
	for _, n := range points {
		dir := fresh()
		if _, killed := k.kill(n, rotate(dir)...); killed {
			kills++
		}
		if logs, told := rotated(t, dir); logs < 2 || !told {
			k.run(rotate(dir)...)
		}
		if logs, told := rotated(t, dir); logs != 2 || !told {
			t.Errorf("killed at %d and done again, there are %d logs, and clients are told: %t", n, logs, told)
		}
		if got := files(t, dir); !slices.Equal(got, want) {
			t.Errorf("killed at %d and done again: %v, want %v", n, got, want)
		}
	}
	t.Logf("killed %d times, after changes %v of the disk", kills, points)
	if _, err := instance.Open(filepath.Join(whole, config.File), []byte(killPassphrase)); err != nil {
		t.Error(err)
	}
}

// rotated returns how many logs an instance has, and whether clients are told of the next.
func rotated(t *testing.T, dir string) (logs int, told bool) {
	t.Helper()
	root, err := os.ReadFile(filepath.Join(dir, "trust", trust.RootFile))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := trust.Parse(root)
	if err != nil {
		t.Fatal(err)
	}
	signing, err := os.ReadFile(filepath.Join(dir, "trust", trust.SigningConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	return len(parsed.Logs), strings.Contains(string(signing), "http://localhost:7500")
}
