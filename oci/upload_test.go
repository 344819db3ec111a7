// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/hallmark-sign/hallmark/client/retry"
)

// uploads handles the registry's uploads, and returns the number of those begun and not ended.
func (p *place) uploads(put http.HandlerFunc) func() int {
	open := map[string]bool{}
	p.answer("/blobs/uploads/", func(w http.ResponseWriter, r *http.Request) {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		switch r.Method {
		case http.MethodPost:
			w.Header().Set("Location", "/v2/a/b/blobs/uploads/one?state=x")
			w.WriteHeader(http.StatusAccepted)
			open[r.URL.Path+"one"] = true
		case http.MethodDelete:
			if r.URL.Query().Get("state") == "x" {
				delete(open, r.URL.Path)
			}
			w.WriteHeader(http.StatusNoContent)
		default:
			put(w, r)
		}
	})
	return func() int {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		return len(open)
	}
}

// TestUploadCalledOff checks that a broken upload is canceled, whatever the cause.
func TestUploadCalledOff(t *testing.T) {
	t.Parallel()
	refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
	content := func(r io.Reader) func(context.Context) (io.ReadCloser, error) {
		return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(r), nil }
	}
	blob := Descriptor{Digest: digestOf([]byte("blob")), Size: 4}
	for what, open := range map[string]func(context.Context) (io.ReadCloser, error){
		"refused":          content(strings.NewReader("blob")),
		"source breaks":    content(iotest.ErrReader(io.ErrUnexpectedEOF)),
		"source is closed": func(context.Context) (io.ReadCloser, error) { return nil, io.ErrUnexpectedEOF },
	} {
		p := newPlace(t, true)
		left := p.uploads(refuse)
		if err := New(Options{}).Repository(p.ref(t, ":v1")).PutBlob(t.Context(), blob, open); err == nil || left() != 0 {
			t.Errorf("%s: %v, %d uploads are left", what, err, left())
		}
	}
	p := newPlace(t, true)
	ctx, cancel := context.WithCancel(t.Context())
	left := p.uploads(func(http.ResponseWriter, *http.Request) { cancel() })
	if err := New(Options{}).Repository(p.ref(t, ":v1")).PutBlob(ctx, blob, content(strings.NewReader("blob"))); err == nil || left() != 0 {
		t.Errorf("by hand: %v, %d uploads are left", err, left())
	}
	left = p.uploads(refuse)
	if _, err := New(Options{}).Attach(t.Context(), p.image, Attachment{Bundle: []byte("bundle")}); err == nil || left() != 0 {
		t.Errorf("attaching: %v, %d uploads are left", err, left())
	}
	if err := New(Options{}).Repository(p.ref(t, ":v1")).CheckPut(t.Context()); err != nil || left() != 0 {
		t.Errorf("asking whether one may: %v, %d uploads are left", err, left())
	}
}

// A slowSource is a blob whose Read blocks until Close. It counts wrong reads.
type slowSource struct {
	reading      atomic.Int32
	closed       chan struct{}
	done, wrongs atomic.Int32
}

// Read waits for Close.
func (s *slowSource) Read([]byte) (int, error) {
	if s.reading.Add(1) > 1 || s.done.Load() > 0 {
		s.wrongs.Add(1)
	}
	defer s.reading.Add(-1)
	<-s.closed
	return 0, io.ErrClosedPipe
}

// Close ends Read.
func (s *slowSource) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

// TestUploadIsSentOnce checks that a stream is sent once, even to a registry that answers an
// upload with 401 before reading it, and is not read after PutBlob has returned.
func TestUploadIsSentOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true)
	var puts atomic.Int32
	p.answer("/", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			_, _ = io.WriteString(w, `{"token":"token"}`)
		case r.Method == http.MethodPost:
			w.Header().Set("Location", "/v2/a/b/blobs/uploads/one")
			w.WriteHeader(http.StatusAccepted)
		case r.Method == http.MethodPut && puts.Add(1) > 1:
			w.WriteHeader(http.StatusForbidden)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+p.URL+`/token",service="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	source := &slowSource{closed: make(chan struct{})}
	open := func(context.Context) (io.ReadCloser, error) { return source, nil }
	err := New(Options{}).Repository(p.ref(t, ":v1")).PutBlob(t.Context(), Descriptor{Digest: digestOf(nil), Size: 1 << 20}, open)
	source.done.Store(1)
	if !errors.Is(err, retry.ErrUnavailable) || source.wrongs.Load() > 0 || source.reading.Load() > 0 || puts.Load() != 1 {
		t.Errorf("%v; %d reads too many, %d uploads", err, source.wrongs.Load(), puts.Load())
	}
}
