// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
)

// TestStateWentBack checks that a witness whose state is missing or old cosigns nothing, as it
// could cosign a fork. A state without start marker, from an earlier build, is accepted and
// gets a marker.
func TestStateWentBack(t *testing.T) {
	t.Parallel()
	o := options("witness.example.com", 2, nil, filepath.Join(t.TempDir(), "state"))
	tr := newTree(t, seeded(1), 0)
	cosign := func(old, size int) {
		t.Helper()
		w := open(t, o)
		if _, err := w.cosign(tr.request(t, old, size)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cosign(0, 5)
	yesterday := t.TempDir()
	if err := os.CopyFS(yesterday, os.DirFS(o.Dir)); err != nil {
		t.Fatal(err)
	}
	cosign(5, 7)
	for name, from := range map[string]string{"gone": t.TempDir(), "yesterday's": yesterday} {
		if err := errors.Join(os.RemoveAll(o.Dir), os.CopyFS(o.Dir, os.DirFS(from))); err != nil {
			t.Fatal(err)
		}
		if _, err := New(o); !errors.Is(err, ErrWentBack) {
			t.Errorf("%s: %v", name, err)
		}
	}
	marker := o.Dir + ".begun"
	if err := errors.Join(os.Remove(marker), os.RemoveAll(o.Dir), os.CopyFS(o.Dir, os.DirFS(yesterday))); err != nil {
		t.Fatal(err)
	}
	if err := open(t, o).Close(); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(marker); err != nil || !strings.HasPrefix(string(raw), "5 ") {
		t.Errorf("noted of an earlier build's state: %q, %v", raw, err)
	}
	if err := os.WriteFile(marker, []byte("5 garbage\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o); err == nil {
		t.Error("opened with an invalid start marker")
	}
}

// TestDiskFails checks that a witness whose disk fails at any operation answers 503 with
// Retry-After, and cosigns again once the disk recovers.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for at := 0; ; at++ {
			disk := disktest.New(uint64(at))
			o := options("witness.example.com", 2, disk, "/witness/state")
			w := open(t, o)
			tr := newTree(t, seeded(1), 0)
			left := at
			disk.Fail(func(disktest.Operation) error {
				if left--; left < 0 {
					return cause
				}
				return nil
			})
			raw, err := tr.request(t, 0, 3).Marshal()
			if err != nil {
				t.Fatal(err)
			}
			answer := httptest.NewRecorder()
			w.Handler().ServeHTTP(answer, httptest.NewRequest("POST", "/add-checkpoint", strings.NewReader(string(raw))))
			disk.Fail(nil)
			if answer.Code == http.StatusOK {
				break
			}
			if wait, _ := strconv.Atoi(answer.Header().Get("Retry-After")); answer.Code != http.StatusServiceUnavailable || wait == 0 {
				t.Fatalf("%v at operation %d: %d, Retry-After %q", cause, at, answer.Code, answer.Header().Get("Retry-After"))
			}
			old := 0
			if w.logs[origin].last.Origin != "" { // only the cosignature was withheld
				old = 3
			}
			if _, err := w.cosign(tr.request(t, old, 5)); err != nil {
				t.Fatalf("%v at operation %d: afterwards: %v", cause, at, err)
			}
			w.Close()
			disk.PowerFailed()
			if err := open(t, o).Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAheadIsEvidence(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&Ahead{5, 3}, ErrOtherTree} {
		if !errors.Is(err, tilelog.ErrSeenMore) {
			t.Errorf("%v does not stop a log", err)
		}
	}
}

func FuzzParseMarker(f *testing.F) {
	f.Add([]byte("20852163 CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I= log.example.com\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, err := parseMarker(raw)
		if err != nil {
			return
		}
		again, err := parseMarker(marshalMarker(all))
		if err != nil || len(again) != len(all) {
			t.Errorf("%q comes back as %v, %v", raw, again, err)
		}
	})
}

// TestFailureIsSaid checks that a witness reports a failing disk until it recovers, even if no
// log asks.
func TestFailureIsSaid(t *testing.T) {
	t.Parallel()
	disk := disktest.New(1)
	w := open(t, options("witness.example.com", 2, disk, "/witness/state"))
	if sizes := w.Sizes(); w.Failed() || len(sizes) != 1 || sizes[origin] != 0 {
		t.Errorf("a new witness: failed %v, sizes %v", w.Failed(), sizes)
	}
	disk.Fail(func(disktest.Operation) error { return syscall.ENOSPC })
	tr := newTree(t, seeded(1), 0)
	if _, err := w.cosign(tr.request(t, 0, 3)); !errors.Is(err, errPersist) {
		t.Fatal(err)
	}
	time.Sleep(noteInterval + noteInterval/2)
	if !w.Failed() {
		t.Error("the disk is full still, and the witness says nothing")
	}
	disk.Fail(nil)
	for deadline := time.Now().Add(10 * noteInterval); w.Failed(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the disk has recovered, and the witness still reports failure")
		}
	}
	if _, err := w.cosign(tr.request(t, 0, 3)); err != nil || w.Sizes()[origin] != 3 {
		t.Errorf("sizes %v, %v", w.Sizes(), err)
	}
}
