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

// Target is where images are carried to. It is safe for concurrent use.
type Target interface {
	Source

	// HasBlob says whether the target has a blob, whole.
	HasBlob(ctx context.Context, d oci.Descriptor) (bool, error)

	// PutBlob puts the blob that open gives, or takes it from elsewhere without
	// opening it. What it cannot read to the end it does not keep.
	PutBlob(ctx context.Context, d oci.Descriptor, open func(context.Context) (io.ReadCloser, error)) error

	// PutManifest puts a manifest byte for byte. If it hangs on another, listed says
	// whether whoever looks there finds it; otherwise Enlist makes it so.
	PutManifest(ctx context.Context, d oci.Descriptor, raw []byte) (listed bool, err error)

	// Enlist has manifests be found by whoever looks for what hangs on the subject.
	UpdateFallbackTag(ctx context.Context, subject oci.Descriptor, own []oci.Descriptor) error

	// Publish has a tag name a manifest, or just keeps it where there is none.
	Publish(ctx context.Context, tag string, d oci.Descriptor, raw []byte) error
}

// Progress is how far a transfer is. It may be read at any time.
type Progress struct {
	Blobs, OfBlobs atomic.Int64 // done, and to be done
	Bytes, OfBytes atomic.Int64 // of blobs, likewise
}

// Job is a transfer.
type Job struct {
	From     Source
	To       Target
	Image    oci.Descriptor // that From has
	Tag      string         // that is to name it; empty: none
	Progress *Progress      // may be nil
}

// Run carries an image. What could not be carried is in the report. Errors: the
// image itself, which could not be looked at; the context's.
func Run(ctx context.Context, j Job) (*Report, error) {
	if j.Progress == nil {
		j.Progress = new(Progress)
	}
	s, err := look(ctx, j.From, j.Image)
	if err != nil {
		return nil, fmt.Errorf("looking at the image: %w", err)
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

// carrier is a transfer on its way.
type carrier struct {
	Job
	survey *survey
	report *Report
	mutex  sync.Mutex      // guards report and there while blobs are carried
	there  map[blob]bool   // blobs that the target has
	put    map[string]bool // manifests, by digest
	kept   map[string]bool // manifests of legacy tags, for which the target has one with more
}

// How blobs are carried: how many at once, how often each is tried, and how long
// it is waited before it is tried again.
const (
	blobsAtOnce = 4
	tries       = 3
	pause       = time.Second
)

// blobs carries all blobs.
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

// blob carries one, and says whether it was sent.
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
			if broken := counted.broken.Load(); broken != nil { // and not the target, whatever it made of that
				err = fmt.Errorf("reading it from the source: %w", *broken)
			}
		}
		if try == tries || !mayPass(err) || !wait(ctx, pause) {
			return false, err
		}
	}
}

// mayPass: what went wrong may not go wrong again.
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

// counting counts what is read from the source, and remembers what broke it off.
type counting struct {
	io.Reader
	io.Closer
	into   *atomic.Int64
	n      int64
	broken atomic.Pointer[error]
}

// Read reads on.
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	c.into.Add(int64(n))
	if err != nil && err != io.EOF {
		c.broken.Store(&err)
	}
	return n, err
}

// manifests puts the manifests whose parts are there, and has those be found that
// hang on others.
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
			c.report.miss(on, "what hangs on it is there, and not listed: "+err.Error())
		}
	}
}

// entry is a manifest as a list of referrers has it.
func (t *thing) entry() oci.Descriptor {
	return oci.Descriptor{
		MediaType: t.MediaType, Size: t.Size, Digest: t.Digest,
		ArtifactType: t.contents.ArtifactType, Annotations: t.contents.Annotations,
	}
}

// lacks says why a manifest can't be put: part of it is not at the target.
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

// check asks the target for all of it.
func (c *carrier) check(ctx context.Context) {
	if len(c.report.Missing) > 0 {
		return
	}
	there, err := look(ctx, c.To, c.Image)
	if err != nil {
		c.report.miss(c.Image, "the target was asked for it: "+err.Error())
		return
	}
	listed := map[string]bool{}
	for _, t := range there.order {
		listed[t.Digest] = true
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
			c.report.miss(all[i], "the target was asked for it: "+err.Error())
		} else if !has {
			c.report.miss(all[i], "the target does not have it")
		}
	})
	if c.Tag != "" {
		if d, ok, err := c.To.Tagged(ctx, c.Tag); err != nil || !ok || d.Digest != c.Image.Digest {
			c.report.Missing = append(c.report.Missing, Note{c.Tag, fmt.Sprintf("the target was asked, and the tag names %q now: %v", d.Digest, err)})
		}
	}
	c.report.Complete = len(c.report.Missing) == 0
}
