// SPDX-License-Identifier: Apache-2.0

package ctlog

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
)

// A certified is a log to open, and a precertificate for it.
type certified struct {
	options Options
	precert []byte
	chain   []*x509.Certificate
}

func newCertified(t *testing.T) certified {
	a := newAuthority(t)
	return certified{testOptions(t), a.create(t, 7, testkit.P256(t).Public(), poison()), []*x509.Certificate{a.cert}}
}

// TestDiskFails checks each disk operation from opening to the response as the first that
// fails. The log must never refuse the precertificate. It must report that it has stopped,
// before and after a request, and recover without help.
func TestDiskFails(t *testing.T) {
	f := newCertified(t)
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for n, last := 0, false; !last; n++ {
			synctest.Test(t, func(t *testing.T) { last = !f.fails(t, cause, n) })
		}
	}
}

// fails makes all disk operations after the first n fail. It reports whether one failed before
// the response to the first precertificate.
func (f certified) fails(t *testing.T, cause error, n int) bool {
	disk := disktest.New(uint64(n))
	o := f.options
	o.FS, o.Dir = disk, "/ct"
	l, err := New(o)
	if err == nil {
		err = l.Close(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	var count atomic.Int32
	disk.Fail(func(disktest.Operation) error {
		if int(count.Add(1)) > n {
			return cause
		}
		return nil
	})
	if l, err = New(o); err != nil {
		if !errors.Is(err, cause) {
			t.Errorf("%v at %d: opening: %v", cause, n, err)
		}
		return true
	}
	defer func() { l.Close(t.Context()) }()
	_, err = l.AddPrecert(t.Context(), f.precert, f.chain)
	if err == nil {
		return int(count.Load()) > n
	}
	if !errors.Is(err, tilelog.ErrFailed) {
		t.Errorf("%v at %d: %v", cause, n, err)
	}
	if l.Err() == nil {
		t.Errorf("%v at %d: the log says that all is well", cause, n)
	}
	disk.Fail(nil)
	time.Sleep(time.Minute)
	if err := l.Err(); err != nil {
		t.Errorf("%v at %d: has not gone on: %v", cause, n, err)
	}
	if _, err := l.AddPrecert(t.Context(), f.precert, f.chain); err != nil {
		t.Errorf("%v at %d: afterwards: %v", cause, n, err)
	}
	return true
}

// TestUnreadableIssuer checks that an unreadable certificate results in 503, not 404.
func TestUnreadableIssuer(t *testing.T) {
	f := newCertified(t)
	disk := disktest.New(1)
	o := f.options
	o.FS, o.Dir = disk, "/ct"
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	if _, err := l.AddPrecert(t.Context(), f.precert, f.chain); err != nil {
		t.Fatal(err)
	}
	disk.Fail(func(op disktest.Operation) error {
		if !op.Changes() {
			return syscall.EIO
		}
		return nil
	})
	id := fingerprint(f.chain[0])
	for _, path := range []string{"/ct/issuer/" + hex.EncodeToString(id[:]), "/ct/checkpoint", "/ct/tile/0/000.p/1"} {
		w := httptest.NewRecorder()
		l.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	disk.Fail(nil)
}
