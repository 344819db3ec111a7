// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/internal/tilelog/posix"
)

// replaceDir replaces a directory by a copy of another.
func replaceDir(t *testing.T, dir, with string) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(with))); err != nil {
		t.Fatal(err)
	}
}

// TestWentBack checks that a log whose directory is an old copy, or continues from one, is
// refused by each note that has seen more, and by each of them alone.
func TestWentBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := testOptions(t, filepath.Join(dir, "log"))
	other := filepath.Join(dir, "other")
	o.Notes = []string{filepath.Join(other, "log.seen"), filepath.Join(dir, "lost", "log.seen")}
	if err := errors.Join(os.MkdirAll(other, 0o755), os.WriteFile(filepath.Join(other, "lock"), nil, 0o600), os.Mkdir(filepath.Join(dir, "lost"), 0o755)); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, o)
	history(t, l, 300)
	mustClose(t, l)
	yesterday := copyDir(t, o.Dir)
	l = mustOpen(t, o)
	mustAppend(t, l, "entry 300")
	mustClose(t, l)
	today := copyDir(t, o.Dir)
	if left, _ := os.ReadDir(filepath.Join(dir, "lost")); len(left) > 0 {
		t.Errorf("%v is in the way of what is restored", left)
	}

	forked := o
	forked.Dir, forked.Notes = copyDir(t, yesterday), nil
	l = mustOpen(t, forked)
	mustAppend(t, l, "another entry 300")
	mustAppend(t, l, "another entry 301")
	mustClose(t, l)

	saved := map[string][]byte{}
	for _, path := range []string{posix.StartMarker(o.Dir), o.Notes[0]} {
		raw, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(raw, []byte("\n301\n")) {
			t.Fatalf("%s: %s, %v", path, raw, err)
		}
		saved[path] = raw
	}
	for path, raw := range saved {
		for other := range saved {
			if err := os.Remove(other); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct{ dir, want string }{
			"yesterday's": {yesterday, "it has 300 of the 301 entries that it had"},
			"a fork":      {forked.Dir, "301 of its 302 entries are not those that it had"},
		} {
			replaceDir(t, o.Dir, c.dir)
			_, err := open(o)
			if !errors.As(err, new(*tilelog.WentBack)) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s, by %s: %v", name, path, err)
			}
		}
	}
	replaceDir(t, o.Dir, today)
	if r := mustAppend(t, mustOpen(t, o), "entry 301"); r.Index != 301 {
		t.Errorf("today's goes on at %d", r.Index)
	}
}

// TestPromisedBatchMissed checks that a promised batch missing from the journal is noticed,
// although it looks like a torn record.
func TestPromisedBatchMissed(t *testing.T) {
	t.Parallel()
	o := testOptions(t, filepath.Join(t.TempDir(), "log"))
	l := mustOpen(t, o)
	records := history(t, l, 3)
	mustClose(t, l)
	crashed := copyDir(t, o.Dir)
	l = mustOpen(t, o)
	records = append(records, history(t, l, 5)[3:]...)
	mustClose(t, l)
	replaceDir(t, o.Dir, crashed)
	writeJournal(t, o.Dir, records[3:4]...)
	if _, err := open(o); !errors.As(err, new(*tilelog.WentBack)) {
		t.Errorf("opened without entry 4: %v", err)
	}
	writeJournal(t, o.Dir, records[3:]...)
	mustClose(t, mustOpen(t, o))
}

// TestNotes checks that start markers of earlier builds, which have only the origin, imply no
// size, and that a file which is no note of this log is an error.
func TestNotes(t *testing.T) {
	t.Parallel()
	o := testOptions(t, filepath.Join(t.TempDir(), "log"))
	mustClose(t, mustOpen(t, o))
	marker := posix.StartMarker(o.Dir)
	for content, ok := range map[string]bool{
		origin + "\n": true, "": true, "garbage\nof\nthree lines\n": false,
	} {
		if err := os.WriteFile(marker, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		l, err := open(o)
		if (err == nil) != ok {
			t.Errorf("%q: %v", content, err)
		}
		if err == nil {
			mustClose(t, l)
		}
	}
	if err := errors.Join(os.Remove(marker), os.Mkdir(marker, 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := open(o); err == nil {
		t.Error("opened with a start marker that can't be read")
	}
}

// TestFreezeWentBack checks that a log without a newer backup can be frozen at the size it
// has.
func TestFreezeWentBack(t *testing.T) {
	t.Parallel()
	o := testOptions(t, filepath.Join(t.TempDir(), "log"))
	l := mustOpen(t, o)
	mustAppend(t, l, "entry 0")
	mustClose(t, l)
	backup := copyDir(t, o.Dir)
	l = mustOpen(t, o)
	mustAppend(t, l, "entry 1")
	mustClose(t, l)
	replaceDir(t, o.Dir, backup)
	if _, err := tilelog.Frozen(o.tilelog()); !errors.As(err, new(*tilelog.WentBack)) {
		t.Errorf("served as frozen: %v", err)
	}
	if err := tilelog.Freeze(t.Context(), o.tilelog()); err != nil {
		t.Fatal(err)
	}
	if _, err := tilelog.Frozen(o.tilelog()); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile(posix.StartMarker(o.Dir)); err != nil || !bytes.Contains(raw, []byte("\n2\n")) {
		t.Errorf("the start marker has forgotten what was seen: %s, %v", raw, err)
	}
}

// A knowing is a Cosigner whose witness has seen the log, maybe with more entries.
type knowing struct {
	*moody
	ahead error
}

func (k *knowing) Newest(context.Context, []byte, uint64, func(uint64) ([]tlog.Hash, error)) ([]string, []error) {
	return nil, []error{errors.New("no answer"), k.ahead}
}

// TestWitnessKnows checks that a witness which has seen more stops the log, in Open and later,
// and that one which does not answer does not.
func TestWitnessKnows(t *testing.T) {
	t.Parallel()
	o := testOptions(t, filepath.Join(t.TempDir(), "log"))
	w := &knowing{moody: &moody{cosigner: cosigner(t)}, ahead: errors.New("busy")}
	o.Cosigner = w
	ahead := fmt.Errorf("it has cosigned 9 entries: %w", tilelog.ErrSeenMore)
	func() {
		plain := o
		plain.Cosigner = nil
		l := mustOpen(t, plain)
		mustAppend(t, l, "entry 0")
		mustClose(t, l)
	}()
	w.ahead = ahead
	if _, err := open(o); !errors.As(err, new(*tilelog.WentBack)) {
		t.Errorf("opened: %v", err)
	}
	o.Cosigner = later{ahead}
	l := mustOpen(t, o)
	<-l.Failed()
	if err := l.Err(); !errors.Is(err, tilelog.ErrFailed) || !errors.Is(err, tilelog.ErrSeenMore) {
		t.Errorf("went on: %v", err)
	}
	l.Close(t.Context())
}

// A later is a Cosigner whose witness reports only when asked to cosign that it has seen more.
type later struct{ err error }

func (l later) Cosign(context.Context, []byte, uint64, func(uint64) ([]tlog.Hash, error)) ([]byte, error) {
	return nil, l.err
}

// TestNotesFail checks that a note which can't be written does not stop the log, and is
// written once it can be.
func TestNotesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := disktest.New(1)
		o := testOptions(t, "/log")
		o.FS = disk
		l := mustOpen(t, o)
		disk.Fail(func(op disktest.Operation) error {
			if strings.HasPrefix(op.Path, posix.StartMarker(o.Dir)) && op.Changes() {
				return syscall.EROFS
			}
			return nil
		})
		mustAppend(t, l, "entry 0")
		time.Sleep(time.Minute)
		if err := l.Err(); err != nil {
			t.Error(err)
		}
		disk.Fail(nil)
		time.Sleep(2 * tilelog.LastRetry)
		if raw, err := durable.ReadFile(disk, posix.StartMarker(o.Dir)); err != nil || !bytes.Contains(raw, []byte("\n1\n")) {
			t.Errorf("%q, %v", raw, err)
		}
		mustClose(t, l)
	})
}
