// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAfter(t *testing.T) {
	later := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for value, want := range map[string]struct {
		min, max time.Duration
		ok       bool
	}{
		"":                              {},
		"0":                             {ok: true},
		"7":                             {7 * time.Second, 7 * time.Second, true},
		"-1":                            {},
		"1.5":                           {},
		"soon":                          {},
		"1000000":                       {1e6 * time.Second, 1e6 * time.Second, true},
		"99999999999999999999":          {longest, longest, true},
		later:                           {59 * time.Minute, time.Hour, true},
		"Sun, 06 Nov 1994 08:49:37 GMT": {ok: true}, // has passed
	} {
		wait, ok := after(http.Header{"Retry-After": {value}})
		if ok != want.ok || wait < want.min || wait > want.max {
			t.Errorf("%q: %v, %t", value, wait, ok)
		}
	}
	if _, ok := after(nil); ok {
		t.Error("no header, and a time")
	}
}

func TestRewind(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		next, ok := rewind(req)
		if !ok {
			t.Fatal("a body in memory can't be sent again")
		}
		if body, err := io.ReadAll(next.Body); err != nil || string(body) != "body" {
			t.Errorf("%q, %v", body, err)
		}
		req = next
	}
	req.GetBody = nil
	if _, ok := rewind(req); ok {
		t.Error("a stream was sent again")
	}
	req.Body = nil
	if _, ok := rewind(req); !ok {
		t.Error("no body can't be sent again")
	}
}

func TestSleep(t *testing.T) {
	if err := Sleep(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestIsBusy(t *testing.T) {
	for status, want := range map[int]bool{429: true, 502: true, 503: true, 504: true, 200: false, 404: false, 500: false, 401: false} {
		if IsBusy(status) != want {
			t.Errorf("%d", status)
		}
	}
}
