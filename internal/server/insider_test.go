// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// together does f n times, in as many goroutines as workers.
func together(workers, n int, f func(k int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			for k := range next {
				f(k)
			}
		})
	}
	for k := range n {
		next <- k
	}
	close(next)
	wg.Wait()
}

// newClient keeps as many connections as are used at once.
func newClient(workers int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}, Timeout: 30 * time.Second}
}

// TestSameEntryAtOnce checks that concurrent requests with the same entry result in one entry.
func TestSameEntryAtOnce(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	h, c := hashedRekord(t), newClient(32)
	var mu sync.Mutex
	var first *rekor.Entry
	together(32, 200, func(int) {
		e, err := client.Rekor{URL: v.URL, HTTP: c}.Add(t.Context(), h)
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = &e
		}
		if err != nil || e.LogIndex != first.LogIndex || !bytes.Equal(e.CanonicalizedBody, first.CanonicalizedBody) {
			t.Errorf("%+v, %v", e, err)
		}
	})
	if _, text := get(t, v.URL+"/metrics"); !strings.Contains(text, `hallmark_log_entries{log="rekor"} 1`) {
		t.Error("the log does not have one entry")
	}
}

// TestSameTokenAThousandTimes checks that a token can be used until it expires: a thousand
// requests result in a thousand certificates, with distinct serial numbers, all in the CT log.
func TestSameTokenAThousandTimes(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	const n = 1000
	body, c := certRequest(t, v.Token(t, alice), testkit.P256(t), alice), newClient(32)
	serials := make([]string, n)
	together(32, n, func(k int) {
		resp, err := c.Post(v.URL+"/api/v2/signingCert", "application/json", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
			return
		}
		chain, err := fulcio.ParseResponse(raw)
		if err != nil {
			t.Errorf("%d: %v", resp.StatusCode, err)
			return
		}
		serials[k] = chain[0].SerialNumber.String()
	})
	slices.Sort(serials)
	if got := len(slices.Compact(serials)); got != n {
		t.Errorf("%d serial numbers", got)
	}
	v.checkCertificates(t, n)
}

// garbage mangles a request that was good.
func garbage(r *rand.Rand, good string) string {
	raw := []byte(good)
	for range 1 + r.IntN(4) {
		switch at := r.IntN(len(raw)); r.IntN(4) {
		case 0:
			raw[at] ^= byte(1 + r.IntN(255))
		case 1:
			raw = raw[:at+1]
		case 2:
			raw = append(raw, raw[at:]...)
		default:
			raw = slices.Insert(raw, at, []byte(strings.Repeat(`[{"`, r.IntN(50)))...)
		}
	}
	return string(raw)
}

// TestGarbageFromManyAtOnce checks that 64 concurrent clients that send garbage all get a
// response other than 500, and that the server retains no memory.
func TestGarbageFromManyAtOnce(t *testing.T) {
	v := newVictim(t)
	c := newClient(64)
	good := []struct{ path, contentType, body string }{
		{"/api/v2/signingCert", "application/json", certRequest(t, "e30.e30.AAAA", testkit.P256(t), alice)},
		{"/api/v1/signingCert", "application/json", `{"publicKey":{"content":"AAAA"},"signedEmailAddress":"AAAA"}`},
		{"/api/v2/log/entries", "application/json", string(marshalEntry(t, hashedRekord(t)))},
		{"/api/v2/log/entries", "application/json", strings.Repeat(" ", 300<<10) + "{}"},
		{"/api/v1/timestamp", "application/timestamp-query", string(query(t, nil))},
		{"/api/v1/timestamp", "application/json", `{"artifactHash":"AAAA","hashAlgorithm":"sha256","nonce":1}`},
		{"/login/token", form, "grant_type=authorization_code&code=x&client_id=sigstore"},
		{"/login/password", form, "request=x&email=a%40b&password=c"},
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	together(64, 640, func(k int) {
		r := rand.New(rand.NewPCG(uint64(k), 1))
		try := good[k%len(good)]
		resp, err := c.Post(v.URL+try.path, try.contentType, strings.NewReader(garbage(r, try.body)))
		if err != nil {
			t.Errorf("%s: %v", try.path, err)
			return
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode == 500 || resp.StatusCode > 503 {
			t.Errorf("%s: %d, %v", try.path, resp.StatusCode, err)
		}
	})
	c.CloseIdleConnections()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grew := int64(after.HeapAlloc) - int64(before.HeapAlloc) - int64(len(v.log.String())); grew > 32<<20 {
		t.Errorf("%d bytes more are held", grew)
	}
}

// TestClientsThatGo checks that nothing is lost when clients disconnect during a request:
// accepted entries are logged once, and others can be sent again.
func TestClientsThatGo(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	const n = 24
	var sent []rekor.HashedRekord
	for k := range n {
		h := hashedRekord(t)
		sent = append(sent, h)
		body := marshalEntry(t, h)
		conn := v.dial(t)
		fmt.Fprintf(conn, "POST /api/v2/log/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		time.Sleep(time.Duration(k%8) * 200 * time.Microsecond)
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close() // with a reset
	}
	size := func() (n int) {
		_, text := get(t, v.URL+"/metrics")
		_, rest, _ := strings.Cut(text, `hallmark_log_entries{log="rekor"} `)
		fmt.Sscan(rest, &n)
		return n
	}
	for end := time.Now().Add(time.Minute); size() == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if size() == 0 {
		t.Error("no entry of a client that went was logged")
	}
	seen := map[uint64]bool{}
	for _, h := range sent {
		e, err := client.Rekor{URL: v.URL, HTTP: client.NewHTTP(time.Minute, nil)}.Add(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		seen[e.LogIndex] = true
	}
	if len(seen) != n || size() != n {
		t.Errorf("%d entries with %d indices, want %d", size(), len(seen), n)
	}
}
