// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hallmark-sign/hallmark/bundle"
)

// Limits of what is read from a registry.
const (
	MaxManifest = 4 << 20   // bytes of a manifest or of a page of referrers
	maxList     = 32 << 20  // bytes of all pages of referrers together
	MaxListed   = 20_000    // referrers of an image, of any type
	maxPages    = 1_000     // pages of the list of referrers
	maxBundles  = 500       // bundles of an image
	maxFetched  = 320 << 20 // bytes of all bundles together: two of the largest, and others
)

// parallel is the number of attachments of an image that are fetched at once.
const parallel = 8

// A Signature is a signature attached to an image, either a bundle or a
// signature of cosign 1 and 2, or the error that occurred while fetching it.
type Signature struct {
	Manifest string           // digest of the manifest that contains it
	Bundle   []byte           // as fetched
	Detached *bundle.Detached // of a legacy signature, instead of Bundle
	Payload  []byte           // payload that Detached signs, see wire/simplesigning; nil if Detached is an envelope
	Err      error            // *RegistryError: could not be fetched; ErrMalformed: not a bundle of this image
}

// Resolve asks the registry which image a reference names now. It asks even if
// the reference has a digest: an image that does not exist must not count as
// unsigned. Errors are of type *[RegistryError].
func (c *Client) Resolve(ctx context.Context, r Reference) (Image, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	repo := r.ref.Context()
	s, err := c.session(ctx, repo, transport.PullScope)
	if err != nil {
		return Image{}, fmt.Errorf("resolving %s: %w", r, err)
	}
	image, err := s.resolve(ctx, r.ref)
	if err != nil {
		return Image{}, fmt.Errorf("resolving %s: %w", r, err)
	}
	return image, nil
}

// Named returns the image of a reference by digest, without asking the
// registry.
func (r Reference) Named() (Image, bool) {
	digest, ok := r.ref.(name.Digest)
	if !ok {
		return Image{}, false
	}
	return Image{Repository: digest.Context().Name(), Digest: digest.DigestStr(), repo: digest.Context()}, true
}

// resolve returns the manifest or index that a reference names. Other
// responses, such as a login page, have a digest too but must not be signed.
func (s *session) resolve(ctx context.Context, ref name.Reference) (Image, error) {
	got, err := s.named(ctx, ref)
	if err != nil {
		return Image{}, err
	}
	d, err := Identify(got.body, mediaTypeIn(got.header))
	if err != nil {
		return Image{}, err
	}
	_, byDigest := ref.(name.Digest)
	switch said := got.header.Get("Docker-Content-Digest"); {
	case byDigest, said == "", said == d.Digest:
	case !strings.HasPrefix(said, "sha256:"):
		return Image{}, unsupported("the registry uses the digest %.80q; hallmark supports only SHA-256", said)
	default:
		return Image{}, garbled("the registry announced %.80q, but sent %s", said, d.Digest)
	}
	return Image{Repository: s.repo.Name(), Digest: d.Digest, Size: d.Size, MediaType: d.MediaType, repo: s.repo}, nil
}

// named reads the content that a reference names, of any type. The digest is
// computed, not taken from the registry.
func (s *session) named(ctx context.Context, ref name.Reference) (response, error) {
	got, err := s.do(ctx, request{
		method: http.MethodGet, url: s.url("manifests", ref.Identifier()), header: map[string]string{"Accept": acceptManifests},
		limit: MaxManifest, statuses: []int{http.StatusOK},
	})
	if err != nil {
		return got, err
	}
	if digest, ok := ref.(name.Digest); ok && digest.DigestStr() != digestOf(got.body) {
		return got, garbled("requested %s, but got %s of type %.100q", digest.DigestStr(), digestOf(got.body), mediaTypeIn(got.header))
	}
	return got, nil
}

// Bundles fetches all bundles attached to the image or, if there is none, the
// signatures of cosign 1 and 2. If it returns none and no error, the registry
// has the image and the image is unsigned. A fault in one attachment is
// reported in its Signature. Errors are of type *[RegistryError].
func (c *Client) Bundles(ctx context.Context, image Image) ([]Signature, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	found, err := c.bundles(ctx, image)
	if err != nil {
		return nil, fmt.Errorf("looking for bundles on %s: %w", image, err)
	}
	return found, nil
}

// bundles reads the fallback tag only if the registry's own list has no bundle,
// which saves a request for most images.
func (c *Client) bundles(ctx context.Context, image Image) ([]Signature, error) {
	s, err := c.session(ctx, image.repo, transport.PullScope)
	if err != nil {
		return nil, err
	}
	listed, err := s.listAPI(ctx, image)
	candidates := image.holding(listed)
	if err == nil && len(candidates) == 0 {
		listed, err = s.listTag(ctx, image)
		candidates = image.holding(listed)
	}
	if err != nil {
		return nil, err
	}
	found, err := s.fetchAll(ctx, image, candidates)
	if err != nil || len(found) > 0 {
		return found, err
	}
	if image.MediaType == "" { // not resolved: it may not exist
		if _, err := s.resolve(ctx, image.repo.Digest(image.Digest)); err != nil {
			return nil, err
		}
	}
	return s.legacy(ctx, image, nil)
}

// LegacySignatures fetches further attachments besides those of
// [Client.Bundles], whose manifests are known: bundles under the fallback tag
// of a registry that has an API by now, and signatures of cosign 1 and 2.
// Errors are of type *[RegistryError].
func (c *Client) LegacySignatures(ctx context.Context, image Image, known []string) ([]Signature, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.PullScope)
	var found []Signature
	if err == nil {
		found, err = s.legacySignatures(ctx, image, known)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for older signatures on %s: %w", image, err)
	}
	return found, nil
}

func (s *session) legacySignatures(ctx context.Context, image Image, known []string) ([]Signature, error) {
	listed, err := s.listTag(ctx, image)
	if err != nil {
		return nil, err
	}
	fresh := slices.DeleteFunc(image.holding(listed), func(d Descriptor) bool { return slices.Contains(known, d.Digest) })
	found, err := s.fetchAll(ctx, image, fresh)
	if err != nil {
		return nil, err
	}
	left, err := s.legacy(ctx, image, known)
	return append(found, left...), err
}

// holding returns the entries that may have a bundle. Some registries list the
// image itself.
func (i Image) holding(listed []Descriptor) []Descriptor {
	return slices.DeleteFunc(slices.Clone(listed), func(d Descriptor) bool { return !d.mayHold() || d.Digest == i.Digest })
}

// fetchAll fetches attachments in parallel and returns them in order. It omits
// artifacts that turn out not to be bundles.
func (s *session) fetchAll(ctx context.Context, image Image, listed []Descriptor) ([]Signature, error) {
	rest := len(listed) - maxBundles
	listed = listed[:min(len(listed), maxBundles)]
	found := make([]Signature, len(listed))
	budget := budget{left: maxFetched}
	each(len(listed), func(i int) {
		d := listed[i]
		found[i] = Signature{Manifest: d.Digest}
		found[i].Bundle, found[i].Err = s.fetch(ctx, image, d, &budget)
		if errors.Is(found[i].Err, errOther) && isBundleType(d.ArtifactType) {
			found[i].Err = malformed("it is listed as a bundle, but contains none")
		}
	})
	found = slices.DeleteFunc(found, func(f Signature) bool { return errors.Is(f.Err, errOther) })
	if err := context.Cause(ctx); errors.Is(err, context.Canceled) {
		return nil, err
	}
	if rest > 0 {
		found = append(found, Signature{Err: &RegistryError{Reason: TooMuch, Err: fmt.Errorf("%d attachments beyond the limit of %d", rest, maxBundles)}})
	}
	return found, nil
}

// each calls do for 0 to n-1, several at once.
func each(n int, do func(i int)) {
	slots := make(chan struct{}, parallel)
	var all sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	all.Wait()
}

// A budget bounds the bytes that are fetched for one image.
type budget struct {
	mutex sync.Mutex
	left  int64
}

func (b *budget) take(n int64) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if n > b.left {
		return &RegistryError{Reason: TooMuch, Err: fmt.Errorf("the bundles of the image have more than %d bytes together", int64(maxFetched))}
	}
	b.left -= n
	return nil
}

// fetch fetches one manifest and its bundle and checks both against their
// descriptors.
func (s *session) fetch(ctx context.Context, image Image, d Descriptor, budget *budget) ([]byte, error) {
	if err := d.check(MaxManifest); err != nil {
		return nil, err
	}
	if d.MediaType != typeManifest {
		return nil, malformed("its type is %q, not a manifest", d.MediaType)
	}
	raw, err := s.get(ctx, "manifests", d)
	if err != nil {
		return nil, err
	}
	layer, err := bundleIn(raw, image.Digest)
	if err != nil {
		return nil, err
	}
	if err := budget.take(layer.Size); err != nil {
		return nil, err
	}
	return s.get(ctx, "blobs", layer)
}

// get fetches the content of a descriptor.
func (s *session) get(ctx context.Context, kind string, d Descriptor) ([]byte, error) {
	q := request{method: http.MethodGet, url: s.url(kind, d.Digest), limit: min(d.Size, bundle.MaxSize), statuses: []int{http.StatusOK}}
	if kind == "manifests" {
		q.header = map[string]string{"Accept": d.MediaType}
	}
	got, err := s.do(ctx, q)
	if err != nil {
		return nil, err
	}
	return got.body, d.fits(got.body)
}
