// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallmark-sign/hallmark/oci"
)

// A Target is a place that images are copied to. It must be safe for concurrent
// use.
type Target interface {
	Source

	// HasBlob reports whether the target has the complete blob.
	HasBlob(ctx context.Context, d oci.Descriptor) (bool, error)

	// PutBlob writes the blob that open streams, or obtains it otherwise without
	// calling open. It must not keep a partial blob.
	PutBlob(ctx context.Context, d oci.Descriptor, open func(context.Context) (io.ReadCloser, error)) error

	// PutManifest writes a manifest unchanged. If it is attached to another one,
	// listed reports whether it is listed there; if not, the caller must call
	// UpdateFallbackTag.
	PutManifest(ctx context.Context, d oci.Descriptor, raw []byte) (listed bool, err error)

	// UpdateFallbackTag lists the manifests own as attachments of the subject.
	UpdateFallbackTag(ctx context.Context, subject oci.Descriptor, own []oci.Descriptor) error

	// Publish sets a tag to a manifest, or just keeps the manifest if tag is
	// empty.
	Publish(ctx context.Context, tag string, d oci.Descriptor, raw []byte) error
}

// Progress is the state of a transfer. It may be read at any time.
type Progress struct {
	Blobs, OfBlobs atomic.Int64 // number done, and in total
	Bytes, OfBytes atomic.Int64 // of blobs, done and in total
}

// A Job is a transfer.
type Job struct {
	From     Source
	To       Target
	Image    oci.Descriptor // image in From
	Tag      string         // tag to set in To; may be empty
	Progress *Progress      // may be nil
}

// Run copies an image. The report lists what could not be copied. Errors are
// those of reading the image itself and of the context.
func Run(ctx context.Context, j Job) (*Report, error) {
	if j.Progress == nil {
		j.Progress = new(Progress)
	}
	s, err := look(ctx, j.From, j.Image)
	if err != nil {
		return nil, fmt.Errorf("reading the image: %w", err)
	}
	c := carrier{Job: j, survey: s, report: start(s, j.Tag), there: map[blob]bool{}, put: map[string]bool{}, kept: map[string]bool{}}
	for _, step := range []func(context.Context){c.blobs, c.manifests, c.publish, c.check} {
		step(ctx)
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
	}
	return c.report, nil
}

// A carrier is a running transfer.
type carrier struct {
	Job
	survey *survey
	report *Report
	mutex  sync.Mutex      // guards report and there while blobs are copied
	there  map[blob]bool   // blobs in the target
	put    map[string]bool // copied manifests, by digest
	kept   map[string]bool // manifests of legacy tags, superseded by the target's
}

// How many blobs are copied at once, the number of attempts, and the pause
// between them.
const (
	blobsAtOnce = 4
	tries       = 3
	pause       = time.Second
)

// blobs copies all blobs.
func (c *carrier) blobs(ctx context.Context) {
	all := c.survey.blobs()
	for _, d := range all {
		c.Progress.OfBlobs.Add(1)
		c.Progress.OfBytes.Add(max(d.Size, 0))
	}
	each(len(all), blobsAtOnce, func(i int) {
		if ctx.Err() != nil {
			return
		}
		d := all[i]
		sent, err := c.blob(ctx, d)
		c.mutex.Lock()
		defer c.mutex.Unlock()
		if err != nil {
			c.report.miss(d, err.Error())
			return
		}
		c.Progress.Blobs.Add(1)
		c.there[blob{d.Digest, d.Size}] = true
		if sent {
			c.report.Sent += d.Size
		} else {
			c.Progress.Bytes.Add(d.Size)
			c.report.Skipped += d.Size
		}
	})
}

// blob copies one blob and reports whether it was sent.
func (c *carrier) blob(ctx context.Context, d oci.Descriptor) (sent bool, err error) {
	if d.Size < 0 {
		return false, fmt.Errorf("its descriptor says that it has %d bytes", d.Size)
	}
	for try := 1; ; try++ {
		has, err := c.To.HasBlob(ctx, d)
		if err == nil && has {
			return false, nil
		}
		var counted *counting
		if err == nil {
			err = c.To.PutBlob(ctx, d, func(ctx context.Context) (io.ReadCloser, error) {
				content, err := c.From.Blob(ctx, d)
				if err != nil {
					return nil, fmt.Errorf("reading it from the source: %w", err)
				}
				counted = &counting{Reader: oci.Verified(content, d), Closer: content, into: &c.Progress.Bytes}
				return counted, nil
			})
		}
		if err == nil {
			return counted != nil, nil
		}
		if counted != nil {
			c.Progress.Bytes.Add(-counted.n)
			if broken := counted.broken.Load(); broken != nil { // the source failed, not the target
				err = fmt.Errorf("reading it from the source: %w", *broken)
			}
		}
		if try == tries || !mayPass(err) || !wait(ctx, pause) {
			return false, err
		}
	}
}

// mayPass reports whether repeating may help.
func mayPass(err error) bool {
	u := new(oci.RegistryError)
	return errors.As(err, &u) && (u.Reason == oci.Busy || u.Reason == oci.Unavailable || u.Reason == oci.TimedOut)
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// counting counts the bytes read from the source and records its error.
type counting struct {
	io.Reader
	io.Closer
	into   *atomic.Int64
	n      int64
	broken atomic.Pointer[error]
}

// Read implements [io.Reader].
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	c.into.Add(int64(n))
	if err != nil && err != io.EOF {
		c.broken.Store(&err)
	}
	return n, err
}

// manifests writes the manifests whose parts exist and lists attachments.
func (c *carrier) manifests(ctx context.Context) {
	unlisted := map[string][]oci.Descriptor{}
	var subjects []oci.Descriptor
	for _, t := range c.survey.order {
		if why := c.lacks(t); why != "" {
			c.report.miss(t.Descriptor, why)
			continue
		}
		listed, err := c.To.PutManifest(ctx, t.Descriptor, t.raw)
		if err != nil {
			c.report.miss(t.Descriptor, err.Error())
			continue
		}
		c.put[t.Digest] = true
		if on := t.contents.Subject; on != nil && !listed && c.survey.things[on.Digest] != nil {
			if unlisted[on.Digest] == nil {
				subjects = append(subjects, *on)
			}
			unlisted[on.Digest] = append(unlisted[on.Digest], t.entry())
		}
	}
	for _, on := range subjects {
		if err := c.To.UpdateFallbackTag(ctx, on, unlisted[on.Digest]); err != nil {
			c.report.miss(on, "its attachments exist but are not listed: "+err.Error())
		}
	}
}

// entry returns the descriptor of a manifest for a list of referrers.
func (t *thing) entry() oci.Descriptor {
	return oci.Descriptor{
		MediaType: t.MediaType, Size: t.Size, Digest: t.Digest,
		ArtifactType: t.contents.ArtifactType, Annotations: t.contents.Annotations,
	}
}

// lacks returns why a manifest can't be written, because a part of it is
// missing at the target, or "".
func (c *carrier) lacks(t *thing) string {
	here, _ := t.contents.Blobs()
	for _, d := range here {
		if !c.there[blob{d.Digest, d.Size}] {
			return "not put, as it needs " + d.Digest
		}
	}
	for _, d := range t.contents.Manifests {
		if !c.put[d.Digest] {
			return "not put, as it needs " + d.Digest
		}
	}
	return ""
}

// check checks that the target has everything.
func (c *carrier) check(ctx context.Context) {
	if len(c.report.Missing) > 0 {
		return
	}
	there, err := look(ctx, c.To, c.Image)
	if err != nil {
		c.report.miss(c.Image, "checking the target: "+err.Error())
		return
	}
	listed := map[string]bool{}
	for _, t := range there.order {
		listed[t.Digest] = true
	}
	for _, t := range c.survey.order {
		c.keepReplaced(ctx, t.tags, listed)
	}
	for _, t := range c.survey.order {
		if !listed[t.Digest] && !c.kept[t.Digest] {
			c.report.miss(t.Descriptor, "the target does not list it")
		}
	}
	all := c.survey.blobs()
	each(len(all), parallel, func(i int) {
		has, err := c.To.HasBlob(ctx, all[i])
		c.mutex.Lock()
		defer c.mutex.Unlock()
		if err != nil {
			c.report.miss(all[i], "checking the target: "+err.Error())
		} else if !has {
			c.report.miss(all[i], "the target does not have it")
		}
	})
	if c.Tag != "" {
		if d, ok, err := c.To.Tagged(ctx, c.Tag); err != nil || !ok || d.Digest != c.Image.Digest {
			c.report.Missing = append(c.report.Missing, Note{c.Tag, fmt.Sprintf("the tag names %q at the target: %v", d.Digest, err)})
		}
	}
	c.report.Complete = len(c.report.Missing) == 0
}
