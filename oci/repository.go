// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// A Repository is a repository of a registry, as a source or target of copies.
// Errors of its methods are of type *[RegistryError], also of those that write.
// It is safe for concurrent use.
type Repository struct {
	client    *Client
	repo      name.Repository
	mountFrom *name.Repository // repository to mount blobs from; may be nil
}

// Repository returns the repository of a reference, without any request.
func (c *Client) Repository(r Reference) *Repository {
	return &Repository{client: c, repo: r.ref.Context()}
}

// WithMount returns the repository so that it mounts blobs from other, a
// repository of the same registry, instead of uploading them, if the registry
// supports it.
func (r *Repository) WithMount(other *Repository) *Repository {
	beside := *r
	if other.repo.RegistryStr() == r.repo.RegistryStr() && other.repo.RepositoryStr() != r.repo.RepositoryStr() {
		beside.mountFrom = &other.repo
	}
	return &beside
}

// Descriptor returns the descriptor of the image.
func (i Image) Descriptor() Descriptor {
	return Descriptor{MediaType: i.MediaType, Size: i.Size, Digest: i.Digest}
}

// image returns the image with this descriptor.
func (r *Repository) image(d Descriptor) Image {
	return Image{Repository: r.repo.Name(), Digest: d.Digest, MediaType: d.MediaType, Size: d.Size, repo: r.repo}
}

// within calls ask within the time of one call.
func (r *Repository) within(ctx context.Context, scope string, what string, ask func(context.Context, *session) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.client.options.Timeout)
	defer cancel()
	s, err := r.client.session(ctx, r.repo, scope)
	if err == nil {
		err = ask(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, r.repo.Name(), err)
	}
	return nil
}

// Tagged returns the manifest that a tag names and reports whether there is
// one.
func (r *Repository) Tagged(ctx context.Context, tag string) (d Descriptor, ok bool, err error) {
	err = r.within(ctx, transport.PullScope, "asking for tag "+tag+" of", func(ctx context.Context, s *session) (err error) {
		d, ok, err = s.tagged(ctx, r.repo.Tag(tag))
		return err
	})
	return d, ok, err
}

func (s *session) tagged(ctx context.Context, tag name.Tag) (Descriptor, bool, error) {
	got, err := s.named(ctx, tag)
	if isNotFound(err) {
		return Descriptor{}, false, nil
	}
	if err != nil {
		return Descriptor{}, false, err
	}
	return Describe(got.body, mediaTypeIn(got.header)), true, nil
}

// Manifest returns a manifest after checking it against its descriptor.
func (r *Repository) Manifest(ctx context.Context, d Descriptor) (raw []byte, err error) {
	if err := d.CheckManifest(); err != nil {
		return nil, err
	}
	err = r.within(ctx, transport.PullScope, "reading a manifest of", func(ctx context.Context, s *session) (err error) {
		raw, err = s.get(ctx, "manifests", d)
		return err
	})
	return raw, err
}

// Referrers returns the attachments of a manifest, as the registry claims.
func (r *Repository) Referrers(ctx context.Context, d Descriptor) (listed []Descriptor, err error) {
	err = r.within(ctx, transport.PullScope, "listing referrers in", func(ctx context.Context, s *session) (err error) {
		listed, err = s.list(ctx, r.image(d))
		return err
	})
	return listed, err
}

// Blob streams a blob of any size, as long as the registry keeps sending. The
// content is not verified; use [Verified].
func (r *Repository) Blob(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	if _, err := d.Hex(); err != nil {
		return nil, err
	}
	s, err := r.client.session(ctx, r.repo, transport.PullScope)
	if err != nil {
		return nil, err
	}
	p := watch(context.WithValue(ctx, streamed{}, true), r.client.options.Timeout)
	resp, err := s.open(p.ctx, request{method: http.MethodGet, url: s.url("blobs", d.Digest), statuses: []int{http.StatusOK}})
	if err != nil {
		p.stop()
		return nil, p.why(err)
	}
	if n := resp.ContentLength; n >= 0 && n != d.Size {
		resp.Body.Close()
		p.stop()
		return nil, garbled("%s has %d bytes, but its descriptor says %d", d.Digest, n, d.Size)
	}
	return &stream{resp.Body, p}, nil
}

// HasBlob reports whether the repository has a blob.
func (r *Repository) HasBlob(ctx context.Context, d Descriptor) (has bool, err error) {
	if _, err := d.Hex(); err != nil {
		return false, err
	}
	err = r.within(ctx, transport.PullScope, "asking for a blob of", func(ctx context.Context, s *session) error {
		got, err := s.do(ctx, request{method: http.MethodHead, url: s.url("blobs", d.Digest), statuses: []int{http.StatusOK, http.StatusNotFound}})
		if size := got.header.Get("Content-Length"); err == nil && got.status == http.StatusOK && size != "" && size != fmt.Sprint(d.Size) {
			return garbled("%s exists with %s bytes, but its descriptor says %d", d.Digest, size, d.Size)
		}
		has = got.status == http.StatusOK
		return err
	})
	return has, err
}

// PutBlob uploads a blob that open streams, verified. It does not call open if
// the blob can be mounted.
func (r *Repository) PutBlob(ctx context.Context, d Descriptor, open func(context.Context) (io.ReadCloser, error)) error {
	if r.mountFrom != nil && r.mount(ctx, d) {
		return nil
	}
	s, err := r.client.session(ctx, r.repo, transport.PushScope)
	if err != nil {
		return err
	}
	p := watch(ctx, r.client.options.Timeout)
	defer p.stop()
	place, err := s.begin(p.ctx, d.Digest)
	if err != nil {
		return p.why(err)
	}
	if err := p.why(s.send(ctx, p, place, d, open)); err != nil {
		s.cancelUpload(ctx, place)
		return err
	}
	return nil
}

// send uploads what open streams to place.
func (s *session) send(ctx context.Context, p *idleTimer, place string, d Descriptor, open func(context.Context) (io.ReadCloser, error)) error {
	content, err := open(ctx)
	if err != nil {
		return err
	}
	body := &upload{content: stream{content, p}}
	defer body.Close()
	q := request{
		method: http.MethodPut, url: place, body: body, length: d.Size, limit: MaxManifest,
		header: map[string]string{"Content-Type": "application/octet-stream"}, statuses: []int{http.StatusCreated},
	}
	if d.Size == 0 {
		q.body = http.NoBody
	}
	_, err = s.do(p.ctx, q)
	return err
}

// mount mounts a blob from another repository (distribution-spec, "Mounting a
// blob from another repository") and reports whether it succeeded. A registry
// without support begins an upload, which is canceled.
func (r *Repository) mount(ctx context.Context, d Descriptor) bool {
	ctx, cancel := context.WithTimeout(ctx, r.client.options.Timeout)
	defer cancel()
	s, err := r.client.session(ctx, r.repo, transport.PushScope, r.mountFrom.Scope(transport.PullScope))
	if err != nil {
		return false
	}
	query := url.Values{"mount": {d.Digest}, "from": {r.mountFrom.RepositoryStr()}}
	got, err := s.do(ctx, request{
		method: http.MethodPost, url: s.url("blobs", "uploads/") + "?" + query.Encode(), limit: MaxManifest,
		statuses: []int{http.StatusCreated, http.StatusAccepted},
	})
	if err != nil || got.status == http.StatusCreated {
		return err == nil
	}
	if place, err := s.uploadTo(got.header.Get("Location"), ""); err == nil {
		s.cancelUpload(ctx, place)
	}
	return false
}

// CheckPut checks that the repository is writable by beginning and canceling an
// upload.
func (r *Repository) CheckPut(ctx context.Context) error {
	return r.within(ctx, transport.PushScope, "checking write access to", func(ctx context.Context, s *session) error {
		place, err := s.begin(ctx, "")
		if err == nil {
			s.cancelUpload(ctx, place)
		}
		return err
	})
}

// PutManifest uploads a manifest and reports whether the registry has
// registered it as a referrer. If not, the caller must call
// [Repository.UpdateFallbackTag].
func (r *Repository) PutManifest(ctx context.Context, d Descriptor, raw []byte) (listed bool, err error) {
	err = r.within(ctx, transport.PushScope, "writing a manifest to", func(ctx context.Context, s *session) (err error) {
		listed, err = s.putManifest(ctx, d.Digest, d.MediaType, raw)
		return err
	})
	return listed, err
}

// UpdateFallbackTag makes sure that the attachments own of the subject are
// listed.
func (r *Repository) UpdateFallbackTag(ctx context.Context, subject Descriptor, own []Descriptor) error {
	return r.within(ctx, transport.PushScope, "listing referrers in", func(ctx context.Context, s *session) error {
		return s.updateFallbackTag(ctx, r.image(subject), own...)
	})
}

// Publish sets a tag to a manifest that has been uploaded.
func (r *Repository) Publish(ctx context.Context, tag string, d Descriptor, raw []byte) error {
	if tag == "" {
		return nil
	}
	return r.within(ctx, transport.PushScope, "writing tag "+tag+" of", func(ctx context.Context, s *session) error {
		_, err := s.putManifest(ctx, tag, d.MediaType, raw)
		return err
	})
}

// An idleTimer ends a context when no data has been transferred for some time.
type idleTimer struct {
	ctx   context.Context
	end   context.CancelCauseFunc
	timer *time.Timer
	long  time.Duration
}

func watch(ctx context.Context, long time.Duration) *idleTimer {
	p := &idleTimer{long: long}
	p.ctx, p.end = context.WithCancelCause(ctx)
	p.timer = time.AfterFunc(long, func() {
		p.end(&RegistryError{Reason: TimedOut, Err: fmt.Errorf("no data was transferred for %s", long)})
	})
	return p
}

func (p *idleTimer) stop() {
	p.timer.Stop()
	p.end(nil)
}

// why returns the timer's cause if it has expired, and err otherwise.
func (p *idleTimer) why(err error) error {
	if cause := new(RegistryError); err != nil && errors.As(context.Cause(p.ctx), &cause) {
		return cause
	}
	return err
}

// A stream is a body that is being read.
type stream struct {
	io.ReadCloser
	idleTimer *idleTimer
}

// Read reads and restarts the idle timer.
func (s *stream) Read(b []byte) (int, error) {
	n, err := s.ReadCloser.Read(b)
	s.idleTimer.timer.Reset(s.idleTimer.long)
	if err != nil && err != io.EOF {
		return n, registryError(s.idleTimer.why(err))
	}
	return n, err
}

// Close stops the idle timer and closes the body.
func (s *stream) Close() error {
	defer s.idleTimer.stop()
	return s.ReadCloser.Close()
}

// An upload is a streamed request body. The transport may still read a body
// after the response has come, and the library sends the request again after a
// token has expired. So an upload can be sent only once, and not read once it
// is closed.
type upload struct {
	content stream
	sent    atomic.Bool
	mutex   sync.Mutex // held while content is read; guards closed
	closed  bool
}

// Read implements [io.Reader].
func (u *upload) Read(b []byte) (int, error) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if u.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return u.content.Read(b)
}

// Close closes the content, which ends a Read that waits for it, and waits for
// that Read. The idle timer goes on, as the response may be yet to come.
func (u *upload) Close() error {
	err := u.content.ReadCloser.Close()
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.closed = true
	return err
}
