// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// asked sends a request to h through the gate, and returns the refusal.
func asked(g *Gate, r *http.Request, h http.HandlerFunc) (refused error) {
	g.FileHandler(h, func(_ http.ResponseWriter, _ *http.Request, err error) { refused = err }).ServeHTTP(httptest.NewRecorder(), r)
	return refused
}

func from(address, method string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, "/", body)
	r.RemoteAddr = address + ":1234"
	return r.WithContext(WithClient(r.Context(), Proxies{}.Client(r)))
}

// hold admits a request that ends when the returned function is called.
func hold(t *testing.T, g *Gate, r *http.Request) (release func()) {
	t.Helper()
	in, out, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- asked(g, r, func(http.ResponseWriter, *http.Request) { close(in); <-out })
	}()
	select {
	case <-in:
	case err := <-ended:
		t.Fatal(err)
	}
	return func() { close(out); <-ended }
}

func nothing(http.ResponseWriter, *http.Request) {}

// empty checks that everything has been released.
func empty(t *testing.T, g *Gate) {
	t.Helper()
	for k := range g.held {
		if len(g.held[k]) > 0 {
			t.Errorf("%d requests of kind %d are still held", len(g.held[k]), k)
		}
	}
	if g.small != 0 || g.large != 0 || len(g.queue) != 0 {
		t.Errorf("%d and %d bytes are still charged, %d wait", g.small, g.large, len(g.queue))
	}
}

func TestGateShares(t *testing.T) {
	g := NewGate(Limits{Requests: 4})
	one, two := hold(t, g, from("192.0.2.1", "GET", nil)), hold(t, g, from("192.0.2.1", "GET", nil))
	if err := asked(g, from("192.0.2.1", "GET", nil), nothing); !errors.Is(err, errShare) {
		t.Errorf("more than its share: %v", err)
	}
	three, four := hold(t, g, from("127.0.0.1", "GET", nil)), hold(t, g, from("127.0.0.1", "GET", nil))
	if err := asked(g, from("192.0.2.2", "GET", nil), nothing); !errors.Is(err, ErrBusy) {
		t.Errorf("one too many: %v", err)
	}
	if err := asked(g, from("192.0.2.2", "POST", nil), nothing); err != nil {
		t.Errorf("a writer among readers: %v", err)
	}
	g.Handler(http.HandlerFunc(nothing), func(_ http.ResponseWriter, _ *http.Request, err error) {
		t.Errorf("a short answer among files: %v", err)
	}).ServeHTTP(httptest.NewRecorder(), from("192.0.2.2", "GET", nil))
	one()
	if err := asked(g, from("192.0.2.2", "GET", nil), nothing); err != nil {
		t.Errorf("after one has gone: %v", err)
	}
	two()
	three()
	four()
	empty(t, g)
}

// TestGateOverdue checks that a request that takes too long makes room for one more, and is
// canceled.
func TestGateOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Limits{Requests: 1})
		canceled := make(chan struct{})
		go asked(g, from("192.0.2.1", "GET", nil), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done(); close(canceled) })
		synctest.Wait()
		if err := asked(g, from("192.0.2.2", "GET", nil), nothing); !errors.Is(err, ErrBusy) {
			t.Errorf("at once: %v", err)
		}
		time.Sleep(overdue)
		if err := asked(g, from("192.0.2.2", "GET", nil), nothing); err != nil {
			t.Errorf("then: %v", err)
		}
		<-canceled
		synctest.Wait()
		empty(t, g)
	})
}

// TestGateLargeBodies checks that large bodies take turns, wait for a bounded time, and are
// charged by their announced length.
func TestGateLargeBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Limits{Uploads: 128 << 20})
		read, out := make(chan error), make(chan struct{})
		send := func(size int) {
			asked(g, from("192.0.2.1", "POST", bytes.NewReader(make([]byte, size))), func(_ http.ResponseWriter, r *http.Request) {
				_, err := io.ReadAll(r.Body)
				read <- err
				if err == nil {
					<-out
				}
			})
		}
		go send(largeBody)
		if err := <-read; err != nil {
			t.Error(err)
		}
		begun := time.Now()
		go send(1 << 20)
		if err := <-read; !errors.Is(err, ErrBusy) || time.Since(begun) != largeWait {
			t.Errorf("one more, after %v: %v", time.Since(begun), err)
		}
		go send(1000)
		if err := <-read; err != nil {
			t.Errorf("a small one: %v", err)
		}
		out <- struct{}{}
		out <- struct{}{}
		go send(1 << 20)
		if err := <-read; err != nil {
			t.Errorf("after the first: %v", err)
		}
		out <- struct{}{}
		synctest.Wait()
		empty(t, g)
	})
}

// TestGateSmallBodies checks that small bodies are charged as they arrive, and that a short
// one is read at the cost of longer ones that have stalled.
func TestGateSmallBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Limits{Uploads: 1 << 20}) // 256 KiB for small ones
		refused, stop := make(chan error, 2), make(chan struct{})
		for range 2 {
			r := from("192.0.2.1", "POST", bytes.NewReader(make([]byte, 100<<10)))
			go asked(g, r, func(_ http.ResponseWriter, r *http.Request) {
				io.ReadFull(r.Body, make([]byte, 60<<10))
				select { // where a connection would have its deadline
				case <-r.Context().Done():
				case <-stop:
				}
				_, err := r.Body.Read(make([]byte, 1))
				refused <- err
			})
			time.Sleep(time.Second)
		}
		err := asked(g, from("192.0.2.2", "POST", bytes.NewReader(make([]byte, 10<<10))), func(_ http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				t.Errorf("a short one: %v", err)
			}
		})
		if err != nil {
			t.Error(err)
		}
		if err := <-refused; !errors.Is(err, ErrBusy) {
			t.Errorf("the stalled upload: %v", err)
		}
		close(stop)
		if err := <-refused; err != nil {
			t.Errorf("the other: %v", err)
		}
		synctest.Wait()
		empty(t, g)
	})
}

// A closer is a body that records whether it was closed.
type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error {
	c.closed = true
	return nil
}

// TestGateClosesBodiesOfReaders checks that the body of a GET is closed. It is never read, and
// over HTTP/2 it would stay in memory.
func TestGateClosesBodiesOfReaders(t *testing.T) {
	g := NewGate(Limits{})
	r := from("192.0.2.1", "GET", nil)
	c := &closer{Reader: bytes.NewReader(nil)}
	r.Body, r.ContentLength, r.ProtoMajor = c, 1000, 2
	if err := asked(g, r, nothing); err != nil || !c.closed {
		t.Errorf("closed %v, %v", c.closed, err)
	}
}
