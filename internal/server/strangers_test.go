// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// tight returns an instance with limits that a test can reach.
func tight(t *testing.T, l config.Limits) *hallmarktest.Instance {
	t.Helper()
	return hallmarktest.Start(t, hallmarktest.Options{Evidence: true, Configure: func(c *config.Config) { c.Limits = l }})
}

// longTile puts a tile of the longest entries where the log has its own, and returns
// the path that it is served at.
func longTile(t testing.TB, dir string, level int) string {
	t.Helper()
	path := tile.Path(level, 1000, tile.Width)
	file := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, make([]byte, tile.Width*(tile.MaxEntry+2)), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// ask opens a connection that sends text and nothing more.
func ask(t testing.TB, i *hallmarktest.Instance, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(i.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// answerOf reads the head of an answer.
func answerOf(t testing.TB, c net.Conn) *http.Response {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func checkBusy(t *testing.T, resp *http.Response) {
	t.Helper()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
	}
}

// checkServed checks that a signer and a monitor are served.
func checkServed(t *testing.T, i *hallmarktest.Instance) {
	t.Helper()
	addEntry(t, i.URL)
	if resp, body := get(t, i.URL+"/healthz"); resp.StatusCode != http.StatusOK {
		t.Errorf("health: %s %s", resp.Status, body)
	}
}

// TestSlowReaders checks that a reader above the limit is asked to retry, does not delay signers,
// and is served once another reader has gone.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	i := tight(t, config.Limits{Requests: 2})
	path := "/api/v2/" + longTile(t, filepath.Join(filepath.Dir(filepath.Dir(i.TrustedRootFile)), "rekor"), tile.LevelEntries)
	var slow []net.Conn
	for range 2 {
		c := ask(t, i, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp := answerOf(t, c); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		slow = append(slow, c)
	}
	resp, _ := get(t, i.URL+path)
	checkBusy(t, resp)
	checkServed(t, i)
	slow[0].Close()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		resp, body := get(t, i.URL+path)
		if resp.StatusCode == http.StatusOK && len(body) == tile.Width*(tile.MaxEntry+2) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s after one has gone", resp.Status)
		}
	}
}

func unfinished(i *hallmarktest.Instance, path string, length, sent int) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, length, strings.Repeat(" ", sent))
}

// TestUnfinishedUploads checks that stalled uploads make room for others, and are asked to retry.
func TestUnfinishedUploads(t *testing.T) {
	t.Parallel()
	digest := "/api/v1/bundles/sha256:" + strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		limits       config.Limits
		path         string
		length, sent int
		many         int
	}{
		"many":     {config.Limits{Requests: 4}, "/api/v2/log/entries", 1000, 10, 8},
		"long":     {config.Limits{UploadMiB: 1}, "/api/v2/log/entries", 120_000, 119_999, 12},
		"tokens":   {config.Limits{UploadMiB: 1}, "/api/v2/signingCert", 60_000, 59_999, 8},
		"evidence": {config.Limits{UploadMiB: 1}, digest, 120_000, 119_999, 12},
	} {
		t.Run(name, func(t *testing.T) {
			i := tight(t, c.limits)
			var conns []net.Conn
			for range c.many {
				conns = append(conns, ask(t, i, unfinished(i, c.path, c.length, c.sent)))
				time.Sleep(10 * time.Millisecond) // so that the first is the slowest
			}
			checkServed(t, i)
			checkBusy(t, answerOf(t, conns[0]))
		})
	}
}

// TestStalledLargeUploads checks that clients that stop in the middle of large uploads do not
// keep others from uploading.
func TestStalledLargeUploads(t *testing.T) {
	t.Parallel()
	i := tight(t, config.Limits{})
	for range 4 {
		ask(t, i, unfinished(i, "/api/v2/log/entries", 8<<20, 140_000))
	}
	time.Sleep(100 * time.Millisecond) // they have their turns
	c := ask(t, i, unfinished(i, "/api/v2/log/entries", 1<<20, 1<<20))
	if resp := answerOf(t, c); resp.StatusCode != http.StatusBadRequest { // blanks are no request
		t.Error(resp.Status)
	}
	checkServed(t, i)
}

// TestIdleConnections checks that excess connections are closed at the client that has most
// and sends nothing.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	i := tight(t, config.Limits{Requests: 1, Connections: 70})
	kept := ask(t, i, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp := answerOf(t, kept); resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	for range 100 {
		ask(t, i, "GET /healthz HT")
	}
	kept.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := kept.Read(make([]byte, 1)); n != 0 || err == nil || os.IsTimeout(err) {
		t.Errorf("the connection that was idle longest: %d, %v", n, err)
	}
	checkServed(t, i)
}
