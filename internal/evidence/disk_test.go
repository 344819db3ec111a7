// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
	"github.com/hallmark-sign/hallmark/internal/evidence"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

// TestDiskFails checks that whichever disk operation fails first, a bundle is stored or the
// response is 503 with Retry-After, for readers too, and that the store recovers without a
// restart.
func TestDiskFails(t *testing.T) {
	i := hallmarktest.New(t)
	digest, raw := signed(t, i, "content")
	path := "/api/v1/bundles/sha256:" + hex.EncodeToString(digest)
	o := evidence.Options{Dir: "/evidence", URL: i.URL, Root: i.Root, MaxBytes: 1 << 30, Logger: slog.New(slog.DiscardHandler)}
	step := 4 // the operations between are for nightly runs
	if testkit.Nightly() {
		step = 1
	}
	for skip, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for n, last := 2*skip, false; !last; n += step {
			synctest.Test(t, func(t *testing.T) { last = !postOnFailing(t, o, cause, n, path, raw) })
		}
	}
}

// postOnFailing makes the disk fail after n operations, and reports whether it did.
func postOnFailing(t *testing.T, o evidence.Options, cause error, n int, path string, raw []byte) bool {
	disk := disktest.New(uint64(n))
	o.FS = disk
	s, err := evidence.New(o)
	if err == nil {
		err = s.Close()
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
	if s, err = evidence.New(o); err != nil {
		return true // returned to the caller of New
	}
	defer s.Close()
	ask := func(method, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w
	}
	post := fmt.Sprintf(`{"bundle":%s}`, raw)
	unavailable := func(what string, w *httptest.ResponseRecorder) {
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%v at %d: %s: %d %s", cause, n, what, w.Code, w.Body)
		}
	}
	first := ask("POST", post)
	if first.Code == http.StatusCreated {
		read := ask("GET", "")
		if fmt.Sprint(read.Body.Len()) == read.Header().Get("Content-Length") {
			return int(count.Load()) > n
		}
		if read.Code != http.StatusOK { // otherwise the client sees that the response is cut off
			unavailable("reading", read)
		}
	} else {
		unavailable("posting", first)
	}
	disk.Fail(nil)
	time.Sleep(2 * time.Minute)
	if s.Failed() {
		t.Errorf("%v at %d: has not gone on", cause, n)
	}
	if w := ask("POST", post); w.Code != http.StatusCreated {
		t.Errorf("%v at %d: afterwards: %d %s", cause, n, w.Code, w.Body)
	}
	if w := ask("GET", ""); w.Code != http.StatusOK || s.Bytes() <= 0 || s.Bytes() > int64(2*len(raw)) {
		t.Errorf("%v at %d: afterwards: %d, %d bytes", cause, n, w.Code, s.Bytes())
	}
	return true
}
