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

// Attachment is a bundle to be put on an image.
type Attachment struct {
	Bundle        []byte
	PredicateType string    // of the statement in its envelope; a hint for other readers
	Created       time.Time // likewise
}

// Attach puts a bundle on an image and gives the digest of the manifest that holds
// it. The image must have been resolved. It ends well only once the registry lists
// the bundle. Errors: *RegistryError, also for what could not be written.
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
	return own.Digest, s.updateFallbackTag(ctx, image, own)
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
	there, err := s.do(ctx, request{
		method: http.MethodHead, url: s.url("blobs", digest), statuses: []int{http.StatusOK, http.StatusNotFound},
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
	_, err = s.do(ctx, request{
		method: http.MethodPut, url: place, body: bytes.NewReader(blob), limit: MaxManifest,
		header: map[string]string{"Content-Type": "application/octet-stream"}, statuses: []int{http.StatusCreated},
	})
	if err != nil {
		s.cancelUpload(ctx, place)
	}
	return err
}

// cancelTimeout is how long a registry has to forget an upload, also when there is no
// more time for anything else, or whoever started it has had enough.
const cancelTimeout = 5 * time.Second

// cancelUpload has the registry forget what it was sent of a blob (distribution-spec,
// "Cancel a blob upload"). Not every registry does that, and those that do not throw
// it away at some time.
func (s *session) cancelUpload(ctx context.Context, place string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer cancel()
	_, _ = s.do(ctx, request{method: http.MethodDelete, url: place, limit: MaxManifest, statuses: []int{http.StatusNoContent}})
}

// begin asks where a blob is to be put.
func (s *session) begin(ctx context.Context, digest string) (string, error) {
	begun, err := s.do(ctx, request{
		method: http.MethodPost, url: s.url("blobs", "uploads/"), limit: MaxManifest, statuses: []int{http.StatusAccepted},
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

// enlist makes sure that attachments are found by whoever looks for them, where the
// registry did not say that it has taken note of them. What its API does not list
// goes into the list under the tag, also where that API statuses: some have it, and
// list nothing (distribution-spec, "Pushing Manifests with Subject").
func (s *session) updateFallbackTag(ctx context.Context, image Image, own ...Descriptor) error {
	all, err := s.listAPI(ctx, image)
	if missing := lacking(all, own); err == nil && len(missing) > 0 {
		return s.rewriteList(ctx, image, missing, nil)
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
// until it is as it must be and has all that was there before, but for what has been
// deleted; whoever was overwritten adds to what they find.
func (s *session) rewriteList(ctx context.Context, image Image, add, drop []Descriptor) error {
	var others []Descriptor // that were there before
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
			if err != nil && (len(lost) == 0 || !isNotFound(err)) { // one that was lost may be deleted by now
				return err
			}
		}
		wait := max(settling, settleTimes*time.Since(begun))
		if err := retry.Sleep(ctx, wait+rand.N(wait)); err != nil {
			return registryError(err)
		}
	}
	return &RegistryError{Reason: Busy, Err: errors.New("others keep writing the list of attachments")}
}

// fallbackList is the list under the fallback tag, with all that others wrote into it.
type fallbackList struct {
	members map[string]jsontext.Value // nil: there is none
	entries []Descriptor
}

// fallbackList reads the list that is to be written again. Anything else that
// stands under the tag is somebody's, and not to be lost.
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
		return list, malformed("what stands under %s can't be added to, as it is no list of attachments: %w", image.fallbackTag(), err)
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

// stillThere are those that the registry has.
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

// lacking are those that are not listed.
func lacking(listed, want []Descriptor) []Descriptor {
	return slices.DeleteFunc(slices.Clone(want), func(d Descriptor) bool { return has(listed, d.Digest) })
}

func has(all []Descriptor, digest string) bool {
	return slices.ContainsFunc(all, func(d Descriptor) bool { return d.Digest == digest })
}

// CheckAttach checks that bundles can be put on an image, and be listed, before one is
// signed and logged. It uploads the blob that each of them needs. Where no bundle is on
// the image yet, it also puts a manifest of the form of a bundle's into the repository,
// on no image and always the same. Errors: *RegistryError, ErrMalformed.
func (c *Client) CheckAttach(ctx context.Context, image Image) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.PushScope)
	if err == nil {
		err = s.checkAttach(ctx, image)
	}
	if err != nil {
		return fmt.Errorf("trying to write to %s: %w", image.Repository, err)
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

// tryManifest puts a manifest like that of a bundle, with nothing in it: some
// registries take no artifacts but images.
func (s *session) tryManifest(ctx context.Context) error {
	empty := Descriptor{MediaType: typeEmpty, Size: int64(len(emptyConfig)), Digest: digestOf([]byte(emptyConfig))}
	raw, err := marshal(manifest{SchemaVersion: 2, MediaType: typeManifest, ArtifactType: bundle.MediaType, Config: empty, Layers: []Descriptor{empty}})
	if err != nil {
		return err
	}
	_, err = s.putManifest(ctx, digestOf(raw), typeManifest, raw)
	return err
}
