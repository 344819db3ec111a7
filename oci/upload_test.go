// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// uploads has the registry's uploads be answered here, and says which were begun and
// not ended.
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

// An upload that breaks off is called off, whatever broke it off.
func TestUploadCalledOff(t *testing.T) {
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
