// SPDX-License-Identifier: Apache-2.0

package logbackup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
)

// A load is a log that 64 clients append to.
type load struct {
	log     *tilelog.Log
	clients sync.WaitGroup
	end     chan struct{}

	mu   sync.Mutex
	acks map[string]uint64
}

func newLoad(t *testing.T, dir string) *load {
	l := &load{log: serve(t, durable.OS{}, dir, 1), end: make(chan struct{}), acks: make(map[string]uint64)}
	for client := range 64 {
		l.clients.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-l.end:
					return
				default:
				}
				one := fmt.Sprintf("client %d entry %d", client, i)
				r, err := l.log.Append(context.Background(), tilelog.Pending{Entry: []byte(one)})
				if err != nil {
					t.Error(err)
					return
				}
				l.mu.Lock()
				l.acks[one] = r.Index
				l.mu.Unlock()
			}
		})
	}
	return l
}

// close ends the load and the log.
func (l *load) close(t *testing.T) {
	t.Helper()
	close(l.end)
	l.clients.Wait()
	mustClose(t, l.log)
}

// holds checks that entries are those that were acknowledged, as far as they go.
func (l *load) holds(t *testing.T, entries [][]byte) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for one, index := range l.acks {
		if index < uint64(len(entries)) && string(entries[index]) != one {
			t.Fatalf("entry %d of the backup is %q, and was acknowledged as %q", index, entries[index], one)
		}
	}
}

func TestBackupWhileServing(t *testing.T) {
	dir := t.TempDir()
	log, target := filepath.Join(dir, "log"), filepath.Join(dir, "backup")
	l := newLoad(t, log)
	last, backups, sizes := uint64(0), 0, testkit.Rounds(2, 100)
	for deadline := time.Now().Add(10 * time.Minute); sizes > 0 && time.Now().Before(deadline); backups++ {
		s := mustBackup(t, durable.OS{}, log, target)
		l.holds(t, check(t, durable.OS{}, target))
		if s.Size > last {
			sizes--
		}
		last = s.Size
	}
	l.close(t)
	s := mustBackup(t, durable.OS{}, log, target)
	entries := check(t, durable.OS{}, target)
	l.holds(t, entries)
	if len(entries) != len(l.acks) || sizes > 0 {
		t.Errorf("%d entries are backed up of %d; the log did not grow between %d backups", len(entries), len(l.acks), sizes)
	}
	t.Logf("%d backups of %d entries while they came", backups, s.Size)
}

// killSource and killTarget have a process of this test back up until it is killed.
const (
	killSource = "LOGBACKUP_KILL_SOURCE"
	killTarget = "LOGBACKUP_KILL_TARGET"
)

func TestKillChild(t *testing.T) {
	source := os.Getenv(killSource)
	if source == "" {
		t.Skip("is run by TestKilled")
	}
	for {
		fmt.Println("begins")
		mustBackup(t, durable.OS{}, source, os.Getenv(killTarget))
	}
}

// TestKilled kills the backup of a growing log repeatedly. The result must always be a valid
// backup, and never a smaller one.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	log, target := filepath.Join(dir, "log"), filepath.Join(dir, "backup")
	l := newLoad(t, log)
	time.Sleep(300 * time.Millisecond) // so that the first is of something
	last, grown := uint64(0), 0
	kills := testkit.Rounds(4, 400)
	for range kills {
		runAndKill(t, log, target)
		tree, err := Open(durable.OS{}, target, testLog(t, 1))
		if errors.Is(err, fs.ErrNotExist) && last == 0 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if tree.Head.Size < last {
			t.Fatalf("the backup has %d entries, and had %d", tree.Head.Size, last)
		}
		if tree.Head.Size > last {
			grown++
		}
		last = tree.Head.Size
		l.holds(t, check(t, durable.OS{}, target))
	}
	l.close(t)
	s := mustBackup(t, durable.OS{}, log, target)
	l.holds(t, check(t, durable.OS{}, target))
	t.Logf("killed %d times, %d of them with a newer backup; then %+v", kills, grown, s)
}

func runAndKill(t *testing.T, source, target string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
	child.Env = append(os.Environ(), killSource+"="+source, killTarget+"="+target)
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len("begins"))
	if _, err := stdout.Read(first); err != nil || string(first) != "begins" {
		t.Fatalf("child says %q, %v", first, err)
	}
	time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { child.Process.Kill() })
	var rest bytes.Buffer
	rest.ReadFrom(stdout)
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("child was not killed: %v: %s", err, rest.String())
	}
}

// TestPowerLoss stops the backup of a growing log at each disk operation, by a power loss of the
// target or a kill of the process.
func TestPowerLoss(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	var logs []*Tree
	for i, last := 0, 0; i < 4; i++ {
		size := []int{3, 300, 511, 1100}[i]
		grow(t, durable.OS{}, log, 1, last, size)
		copied := filepath.Join(dir, fmt.Sprint(size))
		if err := os.CopyFS(copied, os.DirFS(log)); err != nil {
			t.Fatal(err)
		}
		logs, last = append(logs, mustOpen(t, durable.OS{}, copied)), size
	}
	lost := 0
	for seed := range testkit.Rounds(40, 10_000) {
		disk, random := disktest.New(uint64(seed)), rand.New(rand.NewPCG(uint64(seed), 1))
		var last uint64 // entries that a run has said are backed up
		for _, from := range logs {
			for tries := 0; last < from.Head.Size; tries++ {
				if tries < 4 {
					disk.Stop(1 + random.IntN(250))
				}
				switch _, err := Backup(t.Context(), from, disk, "/backup", Options{}); {
				case err == nil:
					last = from.Head.Size
				case !errors.Is(err, disktest.ErrStopped):
					t.Fatalf("seed %d: %v", seed, err)
				}
				if random.IntN(3) > 0 {
					disk.PowerFailed()
				} else {
					disk.ProcessKilled()
				}
				lost++
				surviving(t, disk, seed, last)
			}
		}
	}
	t.Logf("%d power failures and kills", lost)
}

// surviving checks what a crash has left, of which last entries are known to be kept.
func surviving(t *testing.T, disk *disktest.Disk, seed int, last uint64) {
	t.Helper()
	tree, err := Open(disk, "/backup", testLog(t, 1))
	if errors.Is(err, fs.ErrNotExist) && last == 0 {
		return
	}
	if err != nil || tree.Head.Size < last {
		t.Fatalf("seed %d: %d entries were backed up, and now there is %+v, %v", seed, last, tree, err)
	}
	check(t, disk, "/backup")
}

// damages are what may have happened to a file.
var damages = map[string]func(path string) error{
	"removed": os.Remove,
	"flipped": func(path string) error {
		return rewrite(path, func(c []byte) []byte { c[len(c)/2] ^= 1; return c })
	},
	"cut":    func(path string) error { return rewrite(path, func(c []byte) []byte { return c[:len(c)-1] }) },
	"empty":  func(path string) error { return rewrite(path, func(c []byte) []byte { return nil }) },
	"longer": func(path string) error { return rewrite(path, func(c []byte) []byte { return append(c, 0) }) },
}

func rewrite(path string, change func([]byte) []byte) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, change(content), 0o644)
}

// eachDamaged calls f with the log damaged in every way that one file can be.
func eachDamaged(t *testing.T, log string, f func(t *testing.T, damaged, file string)) {
	t.Helper()
	for file := range files(t, log) {
		if !strings.HasPrefix(file, "tile") && file != "checkpoint" {
			continue
		}
		for name, damage := range damages {
			t.Run(name+" "+file, func(t *testing.T) {
				damaged := filepath.Join(t.TempDir(), "damaged")
				if err := errors.Join(os.CopyFS(damaged, os.DirFS(log)), damage(filepath.Join(damaged, file))); err != nil {
					t.Fatal(err)
				}
				f(t, damaged, file)
			})
		}
	}
}

// refused reports whether an error is one of a damaged log.
func refused(err error) bool {
	return errors.Is(err, logread.ErrDamaged) || errors.Is(err, ErrOtherLog) || errors.Is(err, fs.ErrNotExist)
}

func backupDamaged(t *testing.T, damaged, target string) error {
	tree, err := Open(durable.OS{}, damaged, testLog(t, 1))
	if err != nil {
		return err
	}
	_, err = Backup(t.Context(), tree, durable.OS{}, target, Options{})
	return err
}

// TestEveryFileDamaged checks that a damaged file of a log is never copied to its backup.
func TestEveryFileDamaged(t *testing.T) {
	dir := t.TempDir()
	log, earlier, pristine := filepath.Join(dir, "log"), filepath.Join(dir, "earlier"), filepath.Join(dir, "pristine")
	grow(t, durable.OS{}, log, 1, 0, 300)
	mustBackup(t, durable.OS{}, log, earlier)
	grow(t, durable.OS{}, log, 1, 300, 700)
	mustBackup(t, durable.OS{}, log, pristine)
	needed := files(t, pristine)
	known := files(t, earlier) // looked at no more, but for its edge
	before := known["checkpoint"]
	eachDamaged(t, log, func(t *testing.T, damaged, file string) {
		fresh, old := filepath.Join(t.TempDir(), "fresh"), filepath.Join(t.TempDir(), "old")
		err := backupDamaged(t, damaged, fresh)
		if _, ok := needed[file]; ok {
			if !refused(err) {
				t.Errorf("a first backup: %v", err)
			}
			if _, err := os.Stat(filepath.Join(fresh, "checkpoint")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("there is a checkpoint all the same")
			}
		} else if err != nil {
			t.Errorf("a first backup does not need it: %v", err)
		}
		if err := os.CopyFS(old, os.DirFS(earlier)); err != nil {
			t.Fatal(err)
		}
		err = backupDamaged(t, damaged, old)
		_, isNeeded := needed[file]
		if _, isKnown := known[file]; isNeeded && (!isKnown || file == "checkpoint") && !refused(err) {
			t.Errorf("a later backup: %v", err)
		}
		if after, _ := os.ReadFile(filepath.Join(old, "checkpoint")); err != nil && string(after) != before {
			t.Error("the old backup has another checkpoint")
		}
		check(t, durable.OS{}, old)
	})
}

// TestEveryFileOfBackupDamaged checks that a damaged backup is not restored, and that a full
// backup repairs it.
func TestEveryFileOfBackupDamaged(t *testing.T) {
	dir := t.TempDir()
	log, target := filepath.Join(dir, "log"), filepath.Join(dir, "backup")
	grow(t, durable.OS{}, log, 1, 0, 700)
	mustBackup(t, durable.OS{}, log, target)
	eachDamaged(t, target, func(t *testing.T, damaged, file string) {
		restored := filepath.Join(t.TempDir(), "restored")
		tree, err := Open(durable.OS{}, damaged, testLog(t, 1))
		if err == nil {
			_, err = Restore(t.Context(), tree, restored, isNewest, Options{})
		}
		if !refused(err) {
			t.Errorf("restored: %v", err)
		}
		if _, err := os.Stat(restored); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("something was restored: %v", err)
		}
		if file == "checkpoint" {
			return // whose backup it is can't be known
		}
		s, err := Backup(t.Context(), mustOpen(t, durable.OS{}, log), durable.OS{}, damaged, Options{Full: true})
		if err != nil || s.Copied != 1 {
			t.Errorf("%+v, %v", s, err)
		}
		check(t, durable.OS{}, damaged)
	})
}

// TestInterrupted checks that an interrupted backup leaves no checkpoint of missing files.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	log, target := filepath.Join(dir, "log"), filepath.Join(dir, "backup")
	grow(t, durable.OS{}, log, 1, 0, 5000)
	ctx, cancel := context.WithCancel(t.Context())
	o := Options{Progress: func(uint64, uint64) { cancel() }}
	tree := mustOpen(t, durable.OS{}, log)
	if _, err := Backup(ctx, tree, durable.OS{}, target, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := Open(durable.OS{}, target, testLog(t, 1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if s := mustBackup(t, durable.OS{}, log, target); s.Skipped == 0 {
		t.Errorf("nothing was left to go on from: %+v", s)
	}
	check(t, durable.OS{}, target)
	restored := filepath.Join(dir, "restored")
	ctx, cancel = context.WithCancel(t.Context())
	if _, err := Restore(ctx, mustOpen(t, durable.OS{}, target), restored, isNewest, Options{Progress: func(uint64, uint64) { cancel() }}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || fmt.Sprint(left) != "[d backup/ d log/ - log.begun]" {
		t.Errorf("left %v, %v", left, err)
	}
}
