// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
)

// TestDiskFails checks that each failing read of the accounts results in 503 with Retry-After,
// and that the same password, code or device is accepted once the disk works again.
func TestDiskFails(t *testing.T) {
	disk := disktest.New(1)
	accounts, err := OpenAccountsWith("/issuer", AccountsOptions{FS: disk, Cost: cheap().Cost})
	if err != nil {
		t.Fatal(err)
	}
	if err := accounts.Add(alice, []byte(password)); err != nil {
		t.Fatal(err)
	}
	r := runOn(t, disk, "/issuer")
	// operations makes the n-th operation from now on and all later ones fail. It counts them.
	operations := func(n int, cause error) *atomic.Int32 {
		count := new(atomic.Int32)
		disk.Fail(func(disktest.Operation) error {
			if int(count.Add(1)) > n {
				return cause
			}
			return nil
		})
		return count
	}
	unavailable := func(what string, a answer) {
		t.Helper()
		wait, _ := strconv.Atoi(a.Header.Get("Retry-After"))
		if a.StatusCode != http.StatusServiceUnavailable || wait == 0 {
			t.Errorf("%s: %s, Retry-After %q: %s", what, a.Status, a.Header.Get("Retry-After"), a.body)
		}
	}
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for n := 0; ; n++ {
			code, b := r.code(t), browse(t)
			form := url.Values{"request": {field(t, r.get(t, b, authorizePath+"?"+asked().Encode()))}, "email": {alice}, "password": {password}}
			count := operations(n, cause)
			redeemed := r.post(t, http.DefaultClient, tokenPath, redeeming(code))
			if int(count.Load()) <= n {
				if redeemed.StatusCode != http.StatusOK {
					t.Fatalf("without a fault: %s", redeemed.body)
				}
				disk.Fail(nil)
				break
			}
			unavailable("token", redeemed)
			if r.Err() == nil && n == 0 {
				t.Error("the issuer reports no error")
			}
			count = operations(n, cause)
			if a := r.post(t, b, passwordPath, form); int(count.Load()) > n {
				unavailable("password", a)
			}
			disk.Fail(nil)
			if err := r.Err(); err != nil {
				t.Errorf("after the disk recovered: %v", err)
			}
			// A code is still valid after a failure to create its token, unless it was used before.
			if a := r.post(t, http.DefaultClient, tokenPath, redeeming(code)); n == 0 && a.StatusCode != http.StatusOK {
				t.Errorf("%v at %d: the code is spent: %s", cause, n, a.body)
			}
			r.pass(time.Minute) // so that the throttle allows the next attempts
		}
	}
}

// TestAddOnFailingDisk checks that an account is added completely or not at all when a disk
// operation fails, and that it can be added afterwards.
func TestAddOnFailingDisk(t *testing.T) {
	for n := 0; ; n++ {
		disk := disktest.New(uint64(n))
		o := AccountsOptions{FS: disk, Cost: cheap().Cost}
		accounts, err := OpenAccountsWith("/issuer", o)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		disk.Fail(func(disktest.Operation) error {
			if count++; count > n {
				return syscall.ENOSPC
			}
			return nil
		})
		err = accounts.Add(alice, []byte(password))
		disk.Fail(nil)
		if count <= n {
			if err != nil {
				t.Error(err)
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) && err != nil {
			t.Errorf("at %d: %v", n, err)
		}
		if err := accounts.Add(alice, []byte(password)); err != nil && !errors.Is(err, ErrExists) {
			t.Errorf("at %d, afterwards: %v", n, err)
		}
	}
}
