// SPDX-License-Identifier: Apache-2.0

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

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/client/retry"
)

// An Attachment is a bundle to attach to an image.
type Attachment struct {
	Bundle        []byte
	PredicateType string    // of the statement in its envelope; a hint for other readers
	Created       time.Time // time of signing; a hint for other readers
}

// Attach attaches a bundle to an image and returns the digest of its manifest.
// The image must have been resolved. Attach succeeds only once the registry
// lists the bundle. Errors are of type *[RegistryError].
func (c *Client) Attach(ctx context.Context, image Image, a Attachment) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	digest, err := c.attach(ctx, image, a)
	if err != nil {
		return "", fmt.Errorf("attaching a bundle to %s: %w", image, err)
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
	return own.Digest, s.updateFallbackTag(ctx, image, own)
}

// manifest returns the manifest that cosign would write.
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

// putBlob uploads a blob unless it exists.
func (s *session) putBlob(ctx context.Context, digest string, blob []byte) error {
	there, err := s.do(ctx, request{
		method: http.MethodHead, url: s.url("blobs", digest), statuses: []int{http.StatusOK, http.StatusNotFound},
	})
	if err != nil || there.status == http.StatusOK {
		return err
	}
	return s.upload(ctx, digest, blob)
}

// upload uploads a blob: POST, then PUT (distribution-spec, "Pushing a blob
// monolithically").
func (s *session) upload(ctx context.Context, digest string, blob []byte) error {
	place, err := s.begin(ctx, digest)
	if err != nil {
		return err
	}
	_, err = s.do(ctx, request{
		method: http.MethodPut, url: place, body: bytes.NewReader(blob), limit: MaxManifest,
		header: map[string]string{"Content-Type": "application/octet-stream"}, statuses: []int{http.StatusCreated},
	})
	if err != nil {
		s.cancelUpload(ctx, place)
	}
	return err
}

// cancelTimeout bounds the time to cancel an upload, even after the caller's
// context has ended.
const cancelTimeout = 5 * time.Second

// cancelUpload asks the registry to drop an upload (distribution-spec, "Cancel
// a blob upload"). Registries without support drop it later.
func (s *session) cancelUpload(ctx context.Context, place string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer cancel()
	_, _ = s.do(ctx, request{method: http.MethodDelete, url: place, limit: MaxManifest, statuses: []int{http.StatusNoContent}})
}

// begin begins an upload and returns its location.
func (s *session) begin(ctx context.Context, digest string) (string, error) {
	begun, err := s.do(ctx, request{
		method: http.MethodPost, url: s.url("blobs", "uploads/"), limit: MaxManifest, statuses: []int{http.StatusAccepted},
	})
	if err != nil {
		return "", err
	}
	return s.uploadTo(begun.header.Get("Location"), digest)
}

// uploadTo returns the URL to upload to, from the location that the registry
// returned.
func (s *session) uploadTo(location, digest string) (string, error) {
	base, err := url.Parse(s.url("blobs", "uploads/"))
	if err != nil {
		return "", garbled("%w", err)
	}
	place, err := base.Parse(location)
	if err != nil || location == "" {
		return "", garbled("no upload location: %q", location)
	}
	if place.Host != base.Host {
		return "", garbled("the upload location is on another host, %s", place.Host)
	}
	query := place.Query()
	query.Set("digest", digest)
	place.Scheme, place.RawQuery = base.Scheme, query.Encode()
	return place.String(), nil
}

// putManifest uploads a manifest and reports whether the registry has
// registered its subject (distribution-spec, "Pushing Manifests with Subject").
func (s *session) putManifest(ctx context.Context, name, mediaType string, raw []byte) (bool, error) {
	got, err := s.do(ctx, request{
		method: http.MethodPut, url: s.url("manifests", name), body: bytes.NewReader(raw), limit: MaxManifest,
		header: map[string]string{"Content-Type": mediaType}, statuses: []int{http.StatusCreated},
	})
	var m struct {
		Subject Descriptor `json:"subject"`
	}
	_ = json.Unmarshal(raw, &m)
	return m.Subject.Digest != "" && got.header.Get("OCI-Subject") == m.Subject.Digest, err
}

// updateFallbackTag makes sure that attachments are listed if the registry did
// not confirm their subject. What the API does not list goes into the list
// under the tag, even if the API responds: some registries have the API but
// list nothing (distribution-spec, "Pushing Manifests with Subject").
func (s *session) updateFallbackTag(ctx context.Context, image Image, own ...Descriptor) error {
	all, err := s.listAPI(ctx, image)
	if missing := lacking(all, own); err == nil && len(missing) > 0 {
		return s.rewriteList(ctx, image, missing, nil)
	}
	return err
}

// How often the shared list is written, and how long to wait before it is read
// again. The wait is several times what other clients need from reading the
// list to writing it, estimated by our own time.
const (
	enlistTries = 20
	settling    = 200 * time.Millisecond
	settleTimes = 4
)

// rewriteList adds attachments to the list under the fallback tag, or removes
// some. Registries have no atomic update: clients that read, change and write
// can lose each other's entries. So the list is read again after a while, until
// it is as wanted and has all earlier entries that still exist. A client whose
// entries were lost adds them to what it finds.
func (s *session) rewriteList(ctx context.Context, image Image, add, drop []Descriptor) error {
	var others []Descriptor // entries of other clients
	for try := range enlistTries {
		begun := time.Now()
		list, err := s.fallbackList(ctx, image)
		if err != nil {
			return err
		}
		kept := lacking(drop, list.entries)
		lost, err := s.stillThere(ctx, image, lacking(list.entries, others))
		if err != nil {
			return err
		}
		missing := append(lacking(list.entries, add), lost...)
		same := len(kept) == len(list.entries) && len(missing) == 0
		if same && (try > 0 || len(add) == 0) {
			return nil
		}
		others = append(others, lacking(slices.Concat(add, others), kept)...)
		if !same {
			err := s.putFallbackList(ctx, image, list, append(kept, missing...))
			if err != nil && (len(lost) == 0 || !isNotFound(err)) { // a lost entry may have been deleted
				return err
			}
		}
		wait := max(settling, settleTimes*time.Since(begun))
		if err := retry.Sleep(ctx, wait+rand.N(wait)); err != nil {
			return registryError(err)
		}
	}
	return &RegistryError{Reason: Busy, Err: errors.New("other clients keep writing the list of attachments")}
}

// A fallbackList is the list under the fallback tag, with all members that
// others wrote.
type fallbackList struct {
	members map[string]jsontext.Value // nil if it does not exist
	entries []Descriptor
}

// fallbackList reads the list to be rewritten. Other content under the tag is
// refused, so that it is not lost.
func (s *session) fallbackList(ctx context.Context, image Image) (fallbackList, error) {
	raw, err := s.underTag(ctx, image)
	if err != nil || raw == nil {
		return fallbackList{}, err
	}
	c, err := ParseContents(Descriptor{MediaType: TypeIndex}, raw)
	list := fallbackList{entries: c.Manifests}
	if err == nil {
		err = json.Unmarshal(raw, &list.members)
	}
	if err == nil && len(c.Manifests) > MaxListed {
		return list, &RegistryError{Reason: TooMuch, Err: fmt.Errorf("more than %d attachments", MaxListed)}
	}
	if err != nil {
		return list, malformed("the content of tag %s is not a list of attachments: %w", image.fallbackTag(), err)
	}
	return list, nil
}

// putFallbackList writes the list with other entries.
func (s *session) putFallbackList(ctx context.Context, image Image, list fallbackList, entries []Descriptor) error {
	members := map[string]any{"schemaVersion": 2}
	for name, value := range list.members {
		members[name] = value
	}
	members["mediaType"], members["manifests"] = TypeIndex, entries
	raw, err := marshal(members)
	if err != nil {
		return err
	}
	_, err = s.putManifest(ctx, image.fallbackTag(), TypeIndex, raw)
	return err
}

// stillThere returns the manifests that the registry has.
func (s *session) stillThere(ctx context.Context, image Image, all []Descriptor) ([]Descriptor, error) {
	var there []Descriptor
	for _, d := range all {
		_, err := s.named(ctx, image.repo.Digest(d.Digest))
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		there = append(there, d)
	}
	return there, nil
}

func isNotFound(err error) bool {
	u := new(RegistryError)
	return errors.As(err, &u) && u.Status == http.StatusNotFound
}

// lacking returns the wanted entries that are not listed.
func lacking(listed, want []Descriptor) []Descriptor {
	return slices.DeleteFunc(slices.Clone(want), func(d Descriptor) bool { return has(listed, d.Digest) })
}

func has(all []Descriptor, digest string) bool {
	return slices.ContainsFunc(all, func(d Descriptor) bool { return d.Digest == digest })
}

// CheckAttach checks that bundles can be attached to an image and listed, before anything is
// signed and logged. It uploads the blob that every bundle needs. If the image has no bundle
// yet, it also uploads a constant manifest in the form of a bundle's, attached to no image.
// Errors are of type *[RegistryError] or match [ErrMalformed].
func (c *Client) CheckAttach(ctx context.Context, image Image) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.PushScope)
	if err == nil {
		err = s.checkAttach(ctx, image)
	}
	if err != nil {
		return fmt.Errorf("checking write access to %s: %w", image.Repository, err)
	}
	return nil
}

func (s *session) checkAttach(ctx context.Context, image Image) error {
	if err := s.upload(ctx, digestOf([]byte(emptyConfig)), []byte(emptyConfig)); err != nil {
		return err
	}
	listed, err := s.listPages(ctx, image)
	if isNoAPI(err) {
		var list fallbackList
		list, err = s.fallbackList(ctx, image)
		listed = list.entries
	}
	if err != nil || slices.ContainsFunc(listed, Descriptor.IsBundle) {
		return err
	}
	return s.tryManifest(ctx)
}

// tryManifest uploads a manifest in the form of a bundle's, without content:
// some registries accept no artifacts other than images.
func (s *session) tryManifest(ctx context.Context) error {
	empty := Descriptor{MediaType: typeEmpty, Size: int64(len(emptyConfig)), Digest: digestOf([]byte(emptyConfig))}
	raw, err := marshal(manifest{SchemaVersion: 2, MediaType: typeManifest, ArtifactType: bundle.MediaType, Config: empty, Layers: []Descriptor{empty}})
	if err != nil {
		return err
	}
	_, err = s.putManifest(ctx, digestOf(raw), typeManifest, raw)
	return err
}
