// SPDX-License-Identifier: Apache-2.0

package retry_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client/retry"
)

// A service responds like its handler, and counts connections and requests. It records bodies.
type service struct {
	*httptest.Server
	connections, requests atomic.Int32
	bodies                chan string
}

func serve(t *testing.T, handler http.HandlerFunc) *service {
	t.Helper()
	s := &service{bodies: make(chan string, 100)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		body, _ := io.ReadAll(r.Body)
		s.bodies <- string(body)
		handler(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// first responds to the first n requests with a status, and to the others with 200.
func first(n int32, status int, retryAfter string) http.HandlerFunc {
	var requests atomic.Int32
	return func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) > n {
			return
		}
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "not now")
	}
}

// direct returns a transport with connections of its own.
func direct(t *testing.T) *http.Transport {
	t.Helper()
	base := new(http.Transport)
	t.Cleanup(base.CloseIdleConnections)
	return base
}

// put sends content through a transport, and returns the status.
func put(ctx context.Context, t *testing.T, transport http.RoundTripper, url string, content io.Reader) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, content)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Error(err)
	}
	return resp.StatusCode, nil
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for status, again := range map[int]bool{429: true, 502: true, 503: true, 504: true, 500: false, 404: false, 307: false} {
		s := serve(t, first(1, status, ""))
		got, err := put(t.Context(), t, &retry.Transport{Base: direct(t)}, s.URL, strings.NewReader("content"))
		if err != nil || again != (got == http.StatusOK) || again != (s.requests.Load() == 2) {
			t.Errorf("%d: %d after %d requests, %v", status, got, s.requests.Load(), err)
		}
		for range s.requests.Load() {
			if body := <-s.bodies; body != "content" {
				t.Errorf("%d: sent %q", status, body)
			}
		}
		if s.connections.Load() != 1 {
			t.Errorf("%d: %d connections", status, s.connections.Load())
		}
	}
}

// TestAttempts checks that a service that does not say when to retry gets four requests, with
// growing waits.
func TestAttempts(t *testing.T) {
	t.Parallel()
	s := serve(t, first(100, http.StatusServiceUnavailable, ""))
	start := time.Now()
	got, err := put(t.Context(), t, &retry.Transport{Base: direct(t)}, s.URL, nil)
	if took := time.Since(start); err != nil || got != http.StatusServiceUnavailable || s.requests.Load() != 4 || took < 700*time.Millisecond {
		t.Errorf("%d, %v: %d requests in %v", got, err, s.requests.Load(), took)
	}
}

// TestRetryAfter checks that the time that a service asks for is waited for, if the deadline
// allows it.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	s := serve(t, first(1, http.StatusTooManyRequests, "1"))
	start := time.Now()
	got, err := put(t.Context(), t, &retry.Transport{Base: direct(t)}, s.URL, nil)
	if took := time.Since(start); err != nil || got != http.StatusOK || took < time.Second {
		t.Errorf("%d, %v in %v", got, err, took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, ctx := range []context.Context{t.Context(), ctx} {
		for _, long := range []string{"3600", "1000000", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"} {
			s = serve(t, first(100, http.StatusTooManyRequests, long))
			got, err = put(ctx, t, &retry.Transport{Base: direct(t)}, s.URL, nil)
			if err != nil || got != http.StatusTooManyRequests || s.requests.Load() != 1 {
				t.Errorf("%s: %d, %v after %d requests", long, got, err, s.requests.Load())
			}
		}
	}
}

func TestContextEndsWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	transport := &retry.Transport{Base: direct(t), Notice: func(time.Duration, *http.Request, *http.Response, error) { cancel() }}
	s := serve(t, first(100, http.StatusServiceUnavailable, "15"))
	start := time.Now()
	if _, err := put(ctx, t, transport, s.URL, nil); !errors.Is(err, context.Canceled) || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// TestNotice checks that the notice is called before each wait, with the response.
func TestNotice(t *testing.T) {
	t.Parallel()
	var said []string
	transport := &retry.Transport{Base: direct(t), Notice: func(wait time.Duration, req *http.Request, resp *http.Response, err error) {
		body, _ := io.ReadAll(resp.Body)
		said = append(said, req.URL.Path+" "+resp.Status+" "+string(body))
		if wait < 100*time.Millisecond || err != nil {
			t.Error(wait, err)
		}
	}}
	s := serve(t, first(2, http.StatusServiceUnavailable, ""))
	if got, err := put(t.Context(), t, transport, s.URL+"/x", nil); err != nil || got != http.StatusOK {
		t.Errorf("%d, %v", got, err)
	}
	if len(said) != 2 || said[0] != "/x 503 Service Unavailable not now" {
		t.Errorf("%q", said)
	}
}

// TestUnanswered checks that a request without a response is repeated if that does no harm.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	for _, harmless := range []bool{false, true} {
		var requests atomic.Int32
		s := serve(t, func(http.ResponseWriter, *http.Request) {
			if requests.Add(1) == 1 {
				panic(http.ErrAbortHandler) // closes the connection
			}
		})
		got, err := put(t.Context(), t, &retry.Transport{Base: direct(t), Unanswered: harmless}, s.URL, strings.NewReader("content"))
		if harmless != (err == nil && got == http.StatusOK) || harmless != (s.requests.Load() == 2) {
			t.Errorf("%t: %d, %v after %d requests", harmless, got, err, s.requests.Load())
		}
	}
	gone := serve(t, nil)
	gone.Close()
	if _, err := put(t.Context(), t, &retry.Transport{Base: direct(t), Unanswered: true}, gone.URL, nil); err == nil {
		t.Error("there is no service, and a response")
	}
}

// TestUntrusted checks that an untrusted certificate is not retried.
func TestUntrusted(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.StartTLS()
	defer s.Close()
	if _, err := put(t.Context(), t, &retry.Transport{Base: direct(t), Unanswered: true}, s.URL, nil); err == nil || connections.Load() != 1 {
		t.Errorf("%v after %d connections", err, connections.Load())
	}
}

// TestStream checks that a body that can't be read again is sent once.
func TestStream(t *testing.T) {
	t.Parallel()
	s := serve(t, first(1, http.StatusServiceUnavailable, ""))
	stream := struct{ io.Reader }{strings.NewReader("content")}
	got, err := put(t.Context(), t, &retry.Transport{Base: direct(t)}, s.URL, stream)
	if err != nil || got != http.StatusServiceUnavailable || s.requests.Load() != 1 {
		t.Errorf("%d, %v after %d requests", got, err, s.requests.Load())
	}
}

// TestSentAgain checks that a caller that repeats a request whose body was read sends the
// whole body.
func TestSentAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, first(0, 0, ""))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL, strings.NewReader("content"))
	if err != nil {
		t.Fatal(err)
	}
	transport := &retry.Transport{Base: direct(t)}
	for range 2 {
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if body := <-s.bodies; body != "content" {
			t.Errorf("sent %q", body)
		}
	}
}
