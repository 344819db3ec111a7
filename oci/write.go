package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hallmark-sign/hallmark/bundle"
)

// Attachment is a bundle to be put on an image.
type Attachment struct {
	Bundle        []byte
	PredicateType string    // of the statement in its envelope; a hint for other readers
	Created       time.Time // likewise
}

// Attach puts a bundle on an image and gives the digest of the manifest that holds
// it. The image must have been resolved. It ends well only once the registry lists
// the bundle. Errors: *Unseen, also for what could not be written.
func (c *Client) Attach(ctx context.Context, image Image, a Attachment) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	digest, err := c.attach(ctx, image, a)
	if err != nil {
		return "", fmt.Errorf("putting a bundle on %s: %w", image, err)
	}
	return digest, nil
}

func (c *Client) attach(ctx context.Context, image Image, a Attachment) (string, error) {
	if image.MediaType == "" || image.Size == 0 {
		return "", errors.New("the image has not been resolved")
	}
	if len(a.Bundle) > bundle.MaxSize {
		return "", fmt.Errorf("more than %d bytes", bundle.MaxSize)
	}
	s, err := c.session(ctx, image.repo, transport.PushScope)
	if err != nil {
		return "", err
	}
	m := a.manifest(image)
	raw, err := marshal(m)
	if err != nil {
		return "", err
	}
	if err := s.putBlob(ctx, m.Config.Digest, []byte(emptyConfig)); err != nil {
		return "", err
	}
	if err := s.putBlob(ctx, m.Layers[0].Digest, a.Bundle); err != nil {
		return "", err
	}
	own := Descriptor{
		MediaType: typeManifest, Size: int64(len(raw)), Digest: digestOf(raw), ArtifactType: bundle.MediaType,
		Annotations: m.Annotations,
	}
	listed, err := s.putManifest(ctx, own.Digest, typeManifest, raw)
	if err != nil || listed {
		return own.Digest, err
	}
	return own.Digest, s.enlist(ctx, image, own)
}

// manifest is the one that cosign would write.
func (a Attachment) manifest(image Image) manifest {
	notes := map[string]string{annotationContent: "dsse-envelope", annotationCreated: a.Created.UTC().Format(time.RFC3339)}
	if a.PredicateType != "" {
		notes[annotationPredicate] = a.PredicateType
	}
	return manifest{
		SchemaVersion: 2, MediaType: typeManifest, ArtifactType: bundle.MediaType,
		Config:  Descriptor{MediaType: typeEmpty, Size: int64(len(emptyConfig)), Digest: digestOf([]byte(emptyConfig))},
		Layers:  []Descriptor{{MediaType: bundle.MediaType, Size: int64(len(a.Bundle)), Digest: digestOf(a.Bundle)}},
		Subject: &Descriptor{MediaType: image.MediaType, Size: image.Size, Digest: image.Digest}, Annotations: notes,
	}
}

// putBlob puts a blob, unless it is there.
func (s *session) putBlob(ctx context.Context, digest string, blob []byte) error {
	there, err := s.ask(ctx, question{
		method: http.MethodHead, url: s.url("blobs", digest), answers: []int{http.StatusOK, http.StatusNotFound},
	})
	if err != nil || there.status == http.StatusOK {
		return err
	}
	return s.upload(ctx, digest, blob)
}

// upload puts a blob: POST, then PUT (distribution-spec, "Pushing a blob
// monolithically").
func (s *session) upload(ctx context.Context, digest string, blob []byte) error {
	place, err := s.begin(ctx, digest)
	if err != nil {
		return err
	}
	_, err = s.ask(ctx, question{
		method: http.MethodPut, url: place, body: bytes.NewReader(blob), limit: MaxManifest,
		header: map[string]string{"Content-Type": "application/octet-stream"}, answers: []int{http.StatusCreated},
	})
	return err
}

// begin asks where a blob is to be put.
func (s *session) begin(ctx context.Context, digest string) (string, error) {
	begun, err := s.ask(ctx, question{
		method: http.MethodPost, url: s.url("blobs", "uploads/"), limit: MaxManifest, answers: []int{http.StatusAccepted},
	})
	if err != nil {
		return "", err
	}
	return s.uploadTo(begun.header.Get("Location"), digest)
}

// uploadTo is where a blob is to be put, as the registry said.
func (s *session) uploadTo(location, digest string) (string, error) {
	base, err := url.Parse(s.url("blobs", "uploads/"))
	if err != nil {
		return "", garbled("%w", err)
	}
	place, err := base.Parse(location)
	if err != nil || location == "" {
		return "", garbled("no place to upload to: %q", location)
	}
	if place.Host != base.Host {
		return "", garbled("the upload is to go to another host, %s", place.Host)
	}
	query := place.Query()
	query.Set("digest", digest)
	place.Scheme, place.RawQuery = base.Scheme, query.Encode()
	return place.String(), nil
}

// putManifest puts a manifest, and says whether the registry has taken note of its
// subject (distribution-spec, "Pushing Manifests with Subject").
func (s *session) putManifest(ctx context.Context, name, mediaType string, raw []byte) (bool, error) {
	got, err := s.ask(ctx, question{
		method: http.MethodPut, url: s.url("manifests", name), body: bytes.NewReader(raw), limit: MaxManifest,
		header: map[string]string{"Content-Type": mediaType}, answers: []int{http.StatusCreated},
	})
	return got.header.Get("OCI-Subject") != "", err
}

// enlist makes sure that attachments are found by whoever looks for them.
func (s *session) enlist(ctx context.Context, image Image, own ...Descriptor) error {
	all, err := s.listPages(ctx, image)
	switch u := new(Unseen); {
	case err == nil && len(lacking(all, own)) > 0:
		return garbled("the registry has the manifest of what hangs on %s, and does not list it", image.Digest)
	case errors.As(err, &u) && noAPI(u.Status):
		return s.rewriteList(ctx, image, own, nil)
	}
	return err
}

// How often the list is written that others write as well, and how long it is left
// alone before it is read again: far longer than others take from reading the list
// to writing it, by what it took here.
const (
	enlistTries = 20
	settling    = 200 * time.Millisecond
	settleTimes = 4
)

// rewriteList adds attachments to the list under the fallback tag, or takes them
// off. Registries have no way to change a list: who reads, changes and writes can
// lose what somebody else has added meanwhile. So it is read again, after a while,
// until it is as it must be and has all that was there before; whoever was
// overwritten adds to what they find.
func (s *session) rewriteList(ctx context.Context, image Image, add, drop []Descriptor) error {
	want := slices.Clone(add)
	for try := range enlistTries {
		begun := time.Now()
		listed, err := s.listTag(ctx, image)
		if err != nil {
			return err
		}
		kept := lacking(drop, listed)
		missing := lacking(listed, want)
		same := len(kept) == len(listed) && len(missing) == 0
		if same && (try > 0 || len(add) == 0) {
			return nil
		}
		want = append(want, lacking(want, kept)...)
		if !same {
			raw, err := marshal(index{SchemaVersion: 2, MediaType: TypeIndex, Manifests: append(kept, missing...)})
			if err != nil {
				return err
			}
			if _, err := s.putManifest(ctx, image.fallbackTag(), TypeIndex, raw); err != nil {
				return err
			}
		}
		wait := max(settling, settleTimes*time.Since(begun))
		if err := sleep(ctx, wait+rand.N(wait)); err != nil {
			return unseen(err)
		}
	}
	return &Unseen{Reason: Busy, Err: errors.New("others keep writing the list of attachments")}
}

// lacking are those that are not listed.
func lacking(listed, want []Descriptor) []Descriptor {
	return slices.DeleteFunc(slices.Clone(want), func(d Descriptor) bool { return has(listed, d.Digest) })
}

func has(all []Descriptor, digest string) bool {
	return slices.ContainsFunc(all, func(d Descriptor) bool { return d.Digest == digest })
}

// CheckAttach sees that bundles may be put on images of the repository, by putting
// there what each of them needs, and nothing else. Errors: *Unseen.
func (c *Client) CheckAttach(ctx context.Context, image Image) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.PushScope)
	if err == nil {
		err = s.upload(ctx, digestOf([]byte(emptyConfig)), []byte(emptyConfig))
	}
	if err != nil {
		return fmt.Errorf("trying to write to %s: %w", image.Repository, err)
	}
	return nil
}
