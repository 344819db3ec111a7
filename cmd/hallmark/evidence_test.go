package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func evidenceAt(t *testing.T, url string) (*store, error) {
	t.Helper()
	home := map[string]string{"HALLMARK_HOME": t.TempDir()}
	env := environment{stderr: new(strings.Builder), getenv: func(name string) string { return home[name] }}
	return evidenceFlags{url}.store(env, trustFlags{}, time.Minute)
}

// What a store would not keep is refused before anything is signed; no address is no
// store.
func TestCheckSigning(t *testing.T) {
	for name, c := range map[string]struct {
		url, key string
		subjects int
		ok       bool
	}{
		"no store": {"", "key.pem", 5000, true}, "one": {"http://a", "", 1, true}, "many": {"http://a", "", maxKept, true},
		"too many": {"http://a", "", maxKept + 1, false}, "a key": {"http://a", "key.pem", 1, false},
	} {
		if err := (evidenceFlags{c.url}).checkSigning(c.key, c.subjects); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"sign.example.com", "ftp://a", "http://", "http://a?b", "http://a#b", "http://u:p@a", ":"} {
		if _, err := evidenceAt(t, bad); err == nil {
			t.Errorf("%s is an address", bad)
		}
	}
}

// A store that does not answer is waited for once, however many files there are; one
// that answers with nonsense may have something for the next.
func TestStoreIsDown(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s, err := evidenceAt(t, gone.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, first := s.Bundles(t.Context(), make([]byte, 32))
	start := time.Now()
	for range 1000 {
		if _, p := s.Bundles(t.Context(), make([]byte, 32)); p != first || p.Exit != exitUndecided {
			t.Fatalf("got %v", p)
		}
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	}
	var asked atomic.Int64
	odd := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer odd.Close()
	if s, err = evidenceAt(t, odd.URL+"/"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, p := s.Bundles(t.Context(), make([]byte, 32)); p == nil || p.Code != "could-not-look" {
			t.Errorf("got %v", p)
		}
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times", asked.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, p := s.Bundles(ctx, make([]byte, 32)); p == nil || p.Code != "interrupted" || errors.Is(p, context.DeadlineExceeded) || s.down.Load() != nil {
		t.Errorf("got %v", p)
	}
}
