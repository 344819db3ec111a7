// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
)

const other = "another horse battery"

// change submits the form of the page.
func (r *running) change(t *testing.T, browser *http.Client, email, before, after, again string) answer {
	t.Helper()
	page := r.get(t, browser, changePath)
	return r.post(t, browser, changePath, url.Values{
		"request": {field(t, page)}, "email": {email}, "password": {before}, "new_password": {after}, "again": {again},
	})
}

// TestPasswordChanged checks that the old password is needed to set a new one, and that the
// account stays the same.
func TestPasswordChanged(t *testing.T) {
	r := run(t)
	before, err := r.accounts.List()
	if err != nil {
		t.Fatal(err)
	}
	if a := r.change(t, browse(t), alice, password, other, other); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "new password") {
		t.Fatalf("%s: %s", a.Status, a.body)
	}
	if _, err := r.accounts.authenticate(alice, []byte(password)); err == nil {
		t.Error("the old password is accepted")
	}
	after, err := r.accounts.authenticate(alice, []byte(other))
	if err != nil || after.Account != before[0] {
		t.Errorf("%+v became %+v, %v", before[0], after.Account, err)
	}
	log := r.log.String()
	if !strings.Contains(log, `msg="password changed"`) || !strings.Contains(log, "account="+alice) || strings.Contains(log, "signed in") {
		t.Errorf("logged: %s", log)
	}
	if strings.Contains(log, password) || strings.Contains(log, other) {
		t.Errorf("the log has a password: %s", log)
	}
}

// TestPasswordChangeRefused checks that an unacceptable new password is refused with a reason,
// before the old one counts as a guess.
func TestPasswordChangeRefused(t *testing.T) {
	r := run(t)
	page := r.get(t, browse(t), changePath)
	if !strings.Contains(page.body, PasswordRule) {
		t.Errorf("the page does not say which passwords it takes: %s", page.body)
	}
	for _, c := range []struct {
		email, before, after, again string
		status                      int
		text                        string
	}{
		{alice, password, "short", "short", 400, "at least 12 are needed"},
		{alice, password, strings.Repeat("x", 1025), strings.Repeat("x", 1025), 400, "at most 1024 are allowed"},
		{alice, password, other, other + "!", 400, "not the same both times"},
		{alice, "wrong", other, other, 403, "Email or password is wrong"},
		{"nobody@example.com", password, other, other, 403, "Email or password is wrong"},
		{`"><script>`, password, other, other, 403, "&#34;&gt;&lt;script&gt;"},
	} {
		a := r.change(t, browse(t), c.email, c.before, c.after, c.again)
		if a.StatusCode != c.status || !strings.Contains(a.body, c.text) || strings.Contains(a.body, other) {
			t.Errorf("%+v: %s: %s", c, a.Status, a.body)
		}
	}
	if _, err := r.accounts.authenticate(alice, []byte(password)); err != nil {
		t.Error("the password has changed:", err)
	}
}

// TestPasswordChangeFormsOfOthers checks that a form of another site, browser or page changes
// nothing.
func TestPasswordChangeFormsOfOthers(t *testing.T) {
	r := run(t)
	form := url.Values{"email": {alice}, "password": {password}, "new_password": {other}, "again": {other}}
	mine := browse(t)
	request := field(t, r.get(t, mine, changePath))
	signIn := field(t, r.get(t, mine, authorizePath+"?"+asked().Encode()))
	for what, send := range map[string]func() answer{
		"no field":        func() answer { return r.post(t, mine, changePath, form) },
		"another browser": func() answer { return r.post(t, browse(t), changePath, change(form, "request", request)) },
		"another page":    func() answer { return r.post(t, mine, changePath, change(form, "request", signIn)) },
		"an old page": func() answer {
			r.pass(formLife + time.Second)
			return r.post(t, mine, changePath, change(form, "request", request))
		},
	} {
		if a := send(); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", what, a.Status)
		}
	}
	if _, err := r.accounts.authenticate(alice, []byte(password)); err != nil {
		t.Error("the password was changed")
	}
}

// TestPasswordChangeGuessing checks that guesses at the old password count as failed sign-ins.
func TestPasswordChangeGuessing(t *testing.T) {
	r := run(t)
	browser := browse(t)
	for n := range testLimits().Account.Burst {
		if a := r.change(t, browser, alice, "wrong", other, other); a.StatusCode != http.StatusForbidden {
			t.Fatalf("attempt %d: %s", n, a.Status)
		}
	}
	if a := r.change(t, browser, alice, password, other, other); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") != "30" {
		t.Errorf("%s %v", a.Status, a.Header)
	}
	if a := r.get(t, browser, authorizePath+"?"+asked().Encode()); a.StatusCode == http.StatusOK {
		a = r.post(t, browser, passwordPath, url.Values{"request": {field(t, a)}, "email": {alice}, "password": {password}})
		if a.StatusCode != http.StatusTooManyRequests {
			t.Errorf("signing in: %s", a.Status)
		}
	}
}

// TestPasswordChangedMeanwhile checks that a password that was replaced after the check of the
// form can't set a new one.
func TestPasswordChangedMeanwhile(t *testing.T) {
	r := run(t)
	signedIn, err := r.accounts.authenticate(alice, []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	if err := openCheap(t, r.accounts.dir).SetPassword(alice, []byte(other)); err != nil { // as another process
		t.Fatal(err)
	}
	if err := r.accounts.changePassword(signedIn, []byte("a third horse battery")); err == nil {
		t.Error("the old password has changed the new one")
	}
	if _, err := r.accounts.authenticate(alice, []byte(other)); err != nil {
		t.Error(err)
	}
}

// TestPasswordChangeOnFailingDisk checks that each failing disk operation results in 503, and
// that the account has one of the two passwords afterwards.
func TestPasswordChangeOnFailingDisk(t *testing.T) {
	for n := 0; ; n++ {
		disk := disktest.New(uint64(n))
		accounts, err := OpenAccountsWith("/issuer", AccountsOptions{FS: disk, Cost: cheap().Cost})
		if err != nil {
			t.Fatal(err)
		}
		if err := accounts.Add(alice, []byte(password)); err != nil {
			t.Fatal(err)
		}
		r := runOn(t, disk, "/issuer")
		var count atomic.Int32
		disk.Fail(func(disktest.Operation) error {
			if int(count.Add(1)) > n {
				return syscall.ENOSPC
			}
			return nil
		})
		a := r.change(t, browse(t), alice, password, other, other)
		disk.Fail(nil)
		_, old := accounts.authenticate(alice, []byte(password))
		_, now := accounts.authenticate(alice, []byte(other))
		if (old == nil) == (now == nil) {
			t.Errorf("operation %d: old password %v, new %v", n, old, now)
		}
		if int(count.Load()) <= n {
			if a.StatusCode != http.StatusOK || now != nil {
				t.Errorf("without a fault: %s, %v", a.Status, now)
			}
			return
		}
		if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
			t.Errorf("operation %d: %s: %s", n, a.Status, a.body)
		}
	}
}
