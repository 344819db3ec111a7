// SPDX-License-Identifier: Apache-2.0

package disktest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

var _ durable.FS = (*Disk)(nil)

func write(t *testing.T, d *Disk, path, content string, sync bool) {
	t.Helper()
	f, err := d.Open(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteAt([]byte(content), 0)
	}
	if err == nil && sync {
		err = f.Sync()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func exists(d *Disk, path string) bool {
	_, err := d.Stat(path)
	return err == nil
}

// TestPowerLoss checks that synced data with synced names survives every power failure, and that
// any combination of other data may survive.
func TestPowerLoss(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(200) {
		d := New(seed)
		if err := durable.MkdirAll(d, "/dir", 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, d, "/dir/kept", "kept", true)
		if err := d.SyncDir("/dir"); err != nil {
			t.Fatal(err)
		}
		long := string(bytes.Repeat([]byte("x"), 2*sector))
		write(t, d, "/dir/kept", long, false)
		write(t, d, "/dir/unnamed", "synced, but not its name", true)
		if err := d.Rename("/dir/unnamed", "/dir/moved"); err != nil {
			t.Fatal(err)
		}
		d.PowerFailed()
		got, err := durable.ReadFile(d, "/dir/kept")
		if err != nil || len(got) < 4 || string(got[:4]) != "kept" && string(got[:4]) != "xxxx" {
			t.Fatalf("%q, %v", got, err)
		}
		switch {
		case string(got) == "kept":
			seen["as synced"]++
		case string(got) == long:
			seen["as written"]++
		default:
			seen["torn"]++
		}
		if exists(d, "/dir/unnamed") {
			seen["old name"]++
		}
		if exists(d, "/dir/moved") {
			seen["new name"]++
		}
		if !exists(d, "/dir/moved") && !exists(d, "/dir/unnamed") {
			seen["no name"]++
		}
	}
	for _, outcome := range []string{"as synced", "as written", "torn", "old name", "new name", "no name"} {
		if seen[outcome] == 0 {
			t.Errorf("never %s: %v", outcome, seen)
		}
	}
}

// TestBatchIsAtomic checks that durable.WriteFile leaves the complete old or new content on this
// disk.
func TestBatchIsAtomic(t *testing.T) {
	for seed := range uint64(200) {
		d := New(seed)
		synced := ""
		for _, content := range []string{"old", "new"} {
			d.Stop(1 + int(seed)/8)
			b := durable.Batch{FS: d}
			if errors.Join(b.Write("/f", []byte(content), 0o600), b.Sync()) == nil {
				synced = content
			}
			d.PowerFailed()
			got, err := durable.ReadFile(d, "/f")
			if err == nil && string(got) != "old" && string(got) != "new" {
				t.Fatalf("seed %d: %q", seed, got)
			}
			if synced == content && string(got) != content {
				t.Fatalf("seed %d: %q, %v after %q was synced", seed, got, err, content)
			}
		}
	}
}

// TestFailedSyncLoses checks that a failed sync loses its data, even if the next sync succeeds.
func TestFailedSyncLoses(t *testing.T) {
	lost := 0
	for seed := range uint64(100) {
		d := New(seed)
		f, err := d.Open("/f", os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("content"), 0); err != nil {
			t.Fatal(err)
		}
		d.Fail(func(o Operation) error {
			if o.Name == "sync" {
				return syscall.EIO
			}
			return nil
		})
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		d.Fail(nil)
		if err := errors.Join(f.Sync(), d.SyncDir("/")); err != nil {
			t.Fatal(err)
		}
		d.PowerFailed()
		if got, err := durable.ReadFile(d, "/f"); err != nil || string(got) != "content" {
			lost++
		}
	}
	if lost == 0 || lost == 100 {
		t.Errorf("lost %d times of 100", lost)
	}
}

func TestStop(t *testing.T) {
	d := New(1)
	write(t, d, "/f", "content", false)
	d.Stop(2)
	if _, err := d.Stat("/f"); err != nil {
		t.Error(err)
	}
	if _, err := d.Stat("/f"); !errors.Is(err, ErrStopped) {
		t.Errorf("after Stop: %v", err)
	}
	d.ProcessKilled()
	if got, err := durable.ReadFile(d, "/f"); err != nil || string(got) != "content" {
		t.Errorf("a killed process has lost %q, %v", got, err)
	}
	if _, err := d.Open("/none", os.O_RDONLY, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	first, err := d.Lock("/lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lock("/lock"); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}
