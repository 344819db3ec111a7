package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// MaxTags is how many tags of a repository are looked at before something is
// deleted that one of them may name.
const MaxTags = 5_000

// Removable is something that hangs on an image, and can be taken off it.
type Removable struct {
	Attached        // with the digest, also where there is a tag
	Gone     bool   // it is listed, and not there any more
	Stays    string // why it can't be taken off; empty: it can
}

// IsSignature says that it is a signature of the image and no more, as its manifest
// says.
func (r Removable) IsSignature() bool {
	return strings.HasSuffix(r.Tag, signatureSuffix) || isBundleType(r.Type) && (r.PredicateType == intoto.TypeSigned || r.PredicateType == "")
}

// IsAttestation says likewise that it attests something.
func (r Removable) IsAttestation() bool {
	return strings.HasSuffix(r.Tag, attestationSuffix) || isBundleType(r.Type) && !r.IsSignature()
}

// Removables lists what hangs on an image, each read, so that it is known to hang
// there, and seen to be nothing else's. Nothing is deleted. Errors: *Unseen.
func (c *Client) Removables(ctx context.Context, image Image) ([]Removable, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.PullScope)
	var all []Removable
	if err == nil {
		all, err = s.removables(ctx, image)
	}
	if err != nil {
		return nil, fmt.Errorf("looking at what hangs on %s: %w", image, err)
	}
	return all, nil
}

func (s *session) removables(ctx context.Context, image Image) ([]Removable, error) {
	listed, err := s.list(ctx, image)
	if err != nil {
		return nil, err
	}
	var all []Removable
	for _, d := range listed {
		all = append(all, s.removable(ctx, image, d))
	}
	for _, tag := range image.Descriptor().LegacyTags() {
		d, ok, err := s.tagged(ctx, image.repo.Tag(tag))
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, Removable{Attached: Attached{Digest: d.Digest, Tag: tag, Type: d.MediaType, Size: d.Size}})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	parts, err := s.platforms(ctx, image)
	if err != nil {
		return nil, err
	}
	uses, err := s.uses(ctx)
	if err != nil {
		return nil, err
	}
	for _, part := range append(parts, image) {
		uses[part.Digest] = "it is a part of the image"
	}
	for i, r := range all {
		if why := uses[r.Digest]; why != "" {
			all[i].Stays = why
		}
	}
	return all, nil
}

// removable reads what is listed.
func (s *session) removable(ctx context.Context, image Image, d Descriptor) Removable {
	r := Removable{Attached: Attached{Digest: d.Digest, Type: d.ArtifactType, Size: d.Size}}
	err := d.CheckManifest()
	var raw []byte
	if err == nil {
		raw, err = s.get(ctx, "manifests", d)
	}
	if u := new(Unseen); errors.As(err, &u) && u.Status == http.StatusNotFound {
		r.Gone = true
		return r
	}
	var c Contents
	if err == nil {
		c, err = ParseContents(d, raw)
	}
	switch {
	case err != nil:
		r.Stays = err.Error()
	case c.Subject == nil || c.Subject.Digest != image.Digest:
		r.Stays = "it does not hang on the image"
	}
	r.Type, r.PredicateType = c.ArtifactType, c.Annotations[annotationPredicate]
	return r
}

// uses says of digests which tags name them, but for tags of what hangs on images.
func (s *session) uses(ctx context.Context) (map[string]string, error) {
	tags, err := s.tags(ctx)
	if err != nil {
		return nil, err
	}
	uses := map[string]string{}
	var mutex sync.Mutex // guards uses and failed
	var failed error
	each(len(tags), func(i int) {
		got, err := s.ask(ctx, question{
			method: http.MethodHead, url: s.url("manifests", tags[i]), header: map[string]string{"Accept": acceptManifests},
			answers: []int{http.StatusOK, http.StatusNotFound},
		})
		mutex.Lock()
		defer mutex.Unlock()
		if err != nil {
			failed = err
		}
		uses[got.header.Get("Docker-Content-Digest")] = "the tag " + tags[i] + " names it"
	})
	delete(uses, "")
	return uses, failed
}

// tags lists those of the repository that name images.
func (s *session) tags(ctx context.Context) ([]string, error) {
	others := regexp.MustCompile(`^sha256-[0-9a-f]{64}(\.[a-z]+)?$`)
	var all []string
	pages := 0
	for next := s.url("tags", "list"); next != ""; pages++ {
		if pages == MaxPages || len(all) > MaxTags {
			return nil, &Unseen{Reason: TooMuch, Err: fmt.Errorf("the repository has more than %d tags or %d pages of them: what they name can't be seen", MaxTags, MaxPages)}
		}
		got, err := s.ask(ctx, question{method: http.MethodGet, url: next, limit: MaxManifest, answers: []int{http.StatusOK}})
		if err != nil {
			return nil, err
		}
		var page struct {
			Tags []string `json:"tags"`
		}
		if err := json.Unmarshal(got.body, &page); err != nil {
			return nil, garbled("parsing list of tags: %w", err)
		}
		for _, tag := range page.Tags {
			if !others.MatchString(tag) {
				all = append(all, tag)
			}
		}
		if next, err = nextPage(next, got.header.Get("Link")); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ErrUndeletable: the registry deletes nothing, or not by this client. Its operator
// can have it do so.
var ErrUndeletable = errors.New("the registry does not delete")

// Remove takes things off an image that Removables has given: off the list, where
// the registry has none of its own, and then their manifests are deleted. It ends
// well only once they are not found. What could not be deleted stays listed.
// Errors: ErrUndeletable, *Unseen.
func (c *Client) Remove(ctx context.Context, image Image, all []Removable) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.DeleteScope)
	if err == nil {
		err = s.remove(ctx, image, all)
	}
	if err != nil {
		return fmt.Errorf("taking things off %s: %w", image, err)
	}
	return nil
}

func (s *session) remove(ctx context.Context, image Image, all []Removable) error {
	var drop []Descriptor
	for _, r := range all {
		if r.Stays != "" || r.Digest == image.Digest {
			return fmt.Errorf("%s can't be taken off: %s", r.Digest, r.Stays)
		}
		drop = append(drop, Descriptor{Digest: r.Digest})
	}
	before, err := s.listTag(ctx, image)
	if err != nil {
		return err
	}
	// off the list first: registries refuse a list of what is not there, which
	// others may be about to write
	if err := s.rewriteList(ctx, image, nil, drop); err != nil {
		return err
	}
	for i, r := range all {
		if err := s.delete(ctx, image, r); err != nil {
			if again := lacking(lacking(drop[i:], before), before); len(again) > 0 {
				err = errors.Join(err, s.rewriteList(ctx, image, again, nil))
			}
			return err
		}
	}
	listed, err := s.list(ctx, image)
	if err != nil {
		return err
	}
	if kept := lacking(lacking(drop, listed), listed); len(kept) > 0 {
		return garbled("%s was deleted, and is still listed", kept[0].Digest)
	}
	return nil
}

// delete deletes a manifest, and its tag where that does not go with it.
func (s *session) delete(ctx context.Context, image Image, r Removable) error {
	for _, name := range []string{r.Digest, r.Tag} {
		if name == "" {
			continue
		}
		_, err := s.ask(ctx, question{
			method: http.MethodDelete, url: s.url("manifests", name), limit: MaxManifest,
			answers: []int{http.StatusAccepted, http.StatusOK, http.StatusNoContent, http.StatusNotFound},
		})
		u := new(Unseen)
		switch isRefused := errors.As(err, &u) && (u.Status == http.StatusMethodNotAllowed || u.Status == http.StatusBadRequest || u.Status == http.StatusNotImplemented); {
		case isRefused && name == r.Digest:
			return fmt.Errorf("%w: %w", ErrUndeletable, err)
		case err != nil && !isRefused: // not every registry deletes tags, nor must it
			return err
		}
	}
	if r.Tag == "" {
		return nil
	}
	_, ok, err := s.tagged(ctx, image.repo.Tag(r.Tag))
	if ok {
		return garbled("%s was deleted, and is still there", r.Tag)
	}
	return err
}
