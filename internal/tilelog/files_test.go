// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

func get(t *testing.T, l *tilelog.Log, path string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	l.Handler("").ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Result()
}

func body(t *testing.T, r *http.Response) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// awaitPublished waits until readers see all of the log.
func awaitPublished(t *testing.T, l *tilelog.Log) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); l.Published() < l.Size(); {
		if time.Now().After(deadline) {
			t.Fatal("not published within 10 s")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	l := mustOpen(t, testOptions(t, t.TempDir()))
	for i := range 300 {
		mustAppend(t, l, fmt.Sprint("entry ", i))
	}
	awaitPublished(t, l)
	r := get(t, l, "/checkpoint")
	c, _, err := checkpoint.Open(body(t, r), verifiers(t)...)
	if err != nil || c.Size != 300 || r.Header.Get("Content-Type") != "text/plain; charset=utf-8" || r.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("checkpoint %+v, %v, %v", c, err, r.Header)
	}
	for path, length := range map[string]int{
		"/tile/0/000": 8192, "/tile/0/001.p/44": 44 * 32, "/tile/1/000.p/1": 32,
		// Cut out of wider tiles.
		"/tile/0/000.p/1": 32, "/tile/0/000.p/255": 255 * 32, "/tile/0/001.p/43": 43 * 32,
	} {
		r := get(t, l, path)
		if r.StatusCode != 200 || len(body(t, r)) != length || r.Header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: %s, %v", path, r.Status, r.Header)
		}
	}
	for path, width := range map[string]int{"/tile/entries/000": 256, "/tile/entries/001.p/44": 44, "/tile/entries/000.p/7": 7, "/tile/entries/001.p/1": 1} {
		entries, err := tile.SplitEntries(body(t, get(t, l, path)))
		if err != nil || len(entries) != width {
			t.Errorf("%s: %d entries, %v", path, len(entries), err)
		}
	}
	for _, path := range []string{
		"/", "/journal", "/lock", "/tmp", "/tile/", "/tile/0/001", "/tile/0/001.p/45", "/tile/0/002", "/tile/0/002.p/1",
		"/tile/1/000", "/tile/1/000.p/2", "/tile/2/000.p/1", "/tile/data/000", "/tile/0/0", "/tile/0/x000/000",
		"/tile/0/000.p/256", "/tile/0/000.p/0", "/tile/entries/x001/000", "/tile/0/..%2f..%2fjournal", "/tile/7/x999/x999/x999/x999/x999/x999/999",
	} {
		if r := get(t, l, path); r.StatusCode != 404 {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
	w := httptest.NewRecorder()
	l.Handler("").ServeHTTP(w, httptest.NewRequest("DELETE", "/checkpoint", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", w.Code)
	}
}

// TestPartialTilesRemoved checks that the last two published forms of partial tiles stay, and
// that none stays next to a full tile.
func TestPartialTilesRemoved(t *testing.T) {
	t.Parallel()
	o := testOptions(t, t.TempDir())
	partials := func(tilePath string) []string {
		names, err := filepath.Glob(filepath.Join(o.Dir, tilePath+".p", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	var l *tilelog.Log
	for i := range 5 {
		l = mustOpen(t, o) // each publishes at Close
		mustAppend(t, l, fmt.Sprint("entry ", i))
		mustClose(t, l)
	}
	for _, path := range []string{"tile/0/000", "tile/entries/000"} {
		if got := partials(path); len(got) != 2 {
			t.Errorf("%v", got)
		}
	}
	l = mustOpen(t, o)
	for i := range 256 {
		mustAppend(t, l, fmt.Sprint("entry ", i))
	}
	mustClose(t, l)
	for _, path := range []string{"tile/0/000", "tile/entries/000"} {
		if got := partials(path); len(got) != 0 {
			t.Errorf("%v", got)
		}
	}
	if left, err := os.ReadDir(filepath.Join(o.Dir, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("%v in tmp, %v", left, err)
	}
}

// TestReadWhilePublishing checks that readers of a published partial tile find it while the
// publisher replaces it.
func TestReadWhilePublishing(t *testing.T) {
	t.Parallel()
	l := mustOpen(t, testOptions(t, t.TempDir()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 400 {
			mustAppend(t, l, fmt.Sprint("entry ", i))
			l.Hurry()
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
		}
		size := l.Published()
		width := tilelog.TileWidth(0, size/tile.Width, size)
		if width == 0 {
			continue
		}
		if r := get(t, l, "/"+tile.Path(0, size/tile.Width, width)); r.StatusCode != 200 {
			t.Errorf("tile of size %d: %s", size, r.Status)
		}
	}
}

// TestLongTile checks that a tile of the longest entries, and a part of it, is served from its
// file: the memory per reader does not depend on the tile.
func TestLongTile(t *testing.T) {
	l := mustOpen(t, testOptions(t, t.TempDir()))
	for i := range tile.Width {
		mustAppend(t, l, fmt.Sprint(i)+strings.Repeat("x", tile.MaxEntry-3))
	}
	awaitPublished(t, l)
	for path, width := range map[string]int{"/tile/entries/000": tile.Width, "/tile/entries/000.p/250": 250} {
		entries, err := tile.SplitEntries(body(t, get(t, l, path)))
		if err != nil || len(entries) != width {
			t.Fatalf("%s: %d entries, %v", path, len(entries), err)
		}
		r := httptest.NewRequest("GET", path, nil)
		w := &discarding{header: make(http.Header)}
		l.Handler("").ServeHTTP(w, r)
		const most = 2 * tilelog.MaxEncoded
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		l.Handler("").ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > most {
			t.Errorf("%s: %d bytes allocated, want at most %d", path, got, most)
		}
	}
}

// A discarding is a ResponseWriter that discards the body.
type discarding struct{ header http.Header }

func (d *discarding) Header() http.Header         { return d.header }
func (d *discarding) Write(p []byte) (int, error) { return len(p), nil }
func (d *discarding) WriteHeader(int)             {}
