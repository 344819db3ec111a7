// SPDX-License-Identifier: Apache-2.0

package lookup

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/fault"
)

// TestStoreIsDown checks that an unresponsive store is only waited for once, for any number of
// files, and that a store with a malformed response is asked again for the next file.
func TestStoreIsDown(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	h := client.NewHTTP(time.Minute, nil)
	s := &Store{Client: client.Evidence{URL: gone.URL, HTTP: h}}
	_, first := s.Bundles(t.Context(), make([]byte, 32))
	start := time.Now()
	for range 1000 {
		if _, err := s.Bundles(t.Context(), make([]byte, 32)); err != first || fault.Of(err).Exit != fault.ExitUndecided {
			t.Fatalf("got %v", err)
		}
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	}
	var asked atomic.Int64
	odd := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer odd.Close()
	s = &Store{Client: client.Evidence{URL: odd.URL, HTTP: h}}
	for range 3 {
		if _, err := s.Bundles(t.Context(), make([]byte, 32)); err == nil || fault.Of(err).Code != "could-not-look" {
			t.Errorf("got %v", err)
		}
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times", asked.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Bundles(ctx, make([]byte, 32)); err == nil || fault.Of(err).Code != "interrupted" || errors.Is(err, context.DeadlineExceeded) || s.down.Load() != nil {
		t.Errorf("got %v", err)
	}
}
