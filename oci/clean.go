// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// typeDockerConfig is the config media type of images in docker's format.
const typeDockerConfig = "application/vnd.docker.container.image.v1+json"

// A Removable is an attachment that can possibly be removed from its image.
type Removable struct {
	Attached        // Digest is set, even if there is a tag
	Gone     bool   // whether it is listed but no longer exists
	Blocked  string // why it can't be removed; empty if it can
}

// IsSignature reports whether the manifest describes a signature of the image
// and nothing more.
func (r Removable) IsSignature() bool {
	return strings.HasSuffix(r.Tag, signatureSuffix) || isBundleType(r.Type) && (r.PredicateType == intoto.TypeSigned || r.PredicateType == "")
}

// IsAttestation reports whether the manifest describes an attestation.
func (r Removable) IsAttestation() bool {
	return strings.HasSuffix(r.Tag, attestationSuffix) || isBundleType(r.Type) && !r.IsSignature()
}

// Removables lists the attachments of an image. It reads each of them, to check
// that it is attached to the image and not used otherwise. Nothing is deleted.
// Errors are of type *[RegistryError].
func (c *Client) Removables(ctx context.Context, image Image) ([]Removable, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.PullScope)
	var all []Removable
	if err == nil {
		all, err = s.removables(ctx, image)
	}
	if err != nil {
		return nil, fmt.Errorf("listing attachments of %s: %w", image, err)
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
	for _, suffix := range []string{signatureSuffix, attestationSuffix, sbomSuffix} {
		r, ok, err := s.removableTag(ctx, image, suffix)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	parts, err := s.platforms(ctx, image)
	if err != nil {
		return nil, err
	}
	uses, err := s.uses(ctx, image)
	if err != nil {
		return nil, err
	}
	for i, r := range all {
		if why := uses[r.Digest].but(r.Tag); why != "" {
			all[i].Blocked = why
		}
		if slices.ContainsFunc(append(parts, image), func(part Image) bool { return part.Digest == r.Digest }) {
			all[i].Blocked = "it is part of the image"
		}
	}
	return all, nil
}

// removable reads one listed attachment.
func (s *session) removable(ctx context.Context, image Image, d Descriptor) Removable {
	r := Removable{Attached: Attached{Digest: d.Digest, Type: d.ArtifactType, Size: d.Size}}
	c, err := s.contents(ctx, d)
	if isNotFound(err) {
		r.Gone = true
		return r
	}
	switch {
	case err != nil:
		r.Blocked = err.Error()
	case c.Subject == nil || c.Subject.Digest != image.Digest:
		r.Blocked = "it is not attached to the image"
	case d.IsIndex(), c.Config.MediaType == typeConfig, c.Config.MediaType == typeDockerConfig:
		r.Blocked = "it is an image itself"
	}
	r.Type, r.PredicateType = c.ArtifactType, c.Annotations[annotationPredicate]
	return r
}

// removableTag reads the content of a tag of cosign 1 and 2. Anyone who may
// write tags can point such a tag anywhere, so content that does not match the
// tag is not removable.
func (s *session) removableTag(ctx context.Context, image Image, suffix string) (Removable, bool, error) {
	tag := image.fallbackTag() + suffix
	d, ok, err := s.tagged(ctx, image.repo.Tag(tag))
	if err != nil || !ok {
		return Removable{}, false, err
	}
	r := Removable{Attached: Attached{Digest: d.Digest, Tag: tag, Type: d.MediaType, Size: d.Size}}
	c, err := s.contents(ctx, d)
	switch {
	case err != nil:
		r.Blocked = err.Error()
	case len(c.Layers) == 0, slices.ContainsFunc(c.Layers, func(layer Descriptor) bool { return !isLegacy(suffix, layer.MediaType) }):
		r.Blocked = "its content does not match the tag"
	}
	return r, true, nil
}

// isLegacy reports whether layers of this type belong under tags with the
// suffix.
func isLegacy(suffix, mediaType string) bool {
	switch suffix {
	case signatureSuffix:
		return mediaType == typeSimpleSigning
	case attestationSuffix:
		return mediaType == typeEnvelope
	}
	return slices.ContainsFunc([]string{"text/spdx", "application/spdx", "application/vnd.cyclonedx", "application/vnd.syft"}, func(sbom string) bool {
		return strings.HasPrefix(mediaType, sbom)
	})
}

// contents reads a manifest.
func (s *session) contents(ctx context.Context, d Descriptor) (Contents, error) {
	if err := d.CheckManifest(); err != nil {
		return Contents{}, err
	}
	raw, err := s.get(ctx, "manifests", d)
	if err != nil {
		return Contents{}, err
	}
	return ParseContents(d, raw)
}

// ErrUndeletable reports that the registry does not delete, or not for this
// client. Its operator can allow it.
var ErrUndeletable = errors.New("the registry does not delete")

// ErrInUse reports that an attachment is now used otherwise.
// [Client.Removables] returns the current state.
var ErrInUse = errors.New("it is now in use")

// Remove removes attachments returned by [Client.Removables]: from the list, if
// the registry has none of its own, and then their manifests. It checks all of
// them again first and deletes nothing if one is in use by now. It succeeds
// only once they are gone; what could not be deleted stays listed. Errors match
// [ErrUndeletable] or [ErrInUse], or are of type *[RegistryError].
func (c *Client) Remove(ctx context.Context, image Image, all []Removable) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.DeleteScope)
	if err == nil {
		err = s.remove(ctx, image, all)
	}
	if err != nil {
		return fmt.Errorf("removing attachments of %s: %w", image, err)
	}
	return nil
}

func (s *session) remove(ctx context.Context, image Image, all []Removable) error {
	all, err := s.stillRemovable(ctx, image, all)
	if err != nil {
		return err
	}
	var drop []Descriptor
	for _, r := range all {
		drop = append(drop, Descriptor{Digest: r.Digest})
	}
	list, err := s.fallbackList(ctx, image)
	if err != nil {
		return err
	}
	// The list is changed first: registries refuse a list with missing entries,
	// which another client may be about to write.
	err = s.rewriteList(ctx, image, nil, drop)
	for i := 0; i < len(all) && err == nil; i++ {
		err = s.delete(ctx, image, all[i])
	}
	if err != nil {
		return errors.Join(err, s.relist(ctx, image, lacking(lacking(drop, list.entries), list.entries)))
	}
	return s.unlist(ctx, image, drop)
}

// unlist checks that deleted manifests are no longer listed. A client that read the
// fallback list before it was changed may have written them back: unlist removes them
// again, up to three times.
func (s *session) unlist(ctx context.Context, image Image, deleted []Descriptor) error {
	for attempt := 1; ; attempt++ {
		listed, err := s.list(ctx, image)
		if err != nil {
			return err
		}
		kept := lacking(lacking(deleted, listed), listed)
		switch {
		case len(kept) == 0:
			return nil
		case attempt > 3:
			return garbled("%s was deleted but is still listed", kept[0].Digest)
		}
		if err := s.rewriteList(ctx, image, nil, deleted); err != nil {
			return err
		}
	}
}

// stillRemovable checks again, since other clients may have begun to use an
// attachment. It omits what is no longer attached to the image.
func (s *session) stillRemovable(ctx context.Context, image Image, all []Removable) ([]Removable, error) {
	now, err := s.removables(ctx, image)
	if err != nil {
		return nil, err
	}
	var going []Removable
	for _, r := range all {
		i := slices.IndexFunc(now, func(n Removable) bool { return n.Digest == r.Digest && n.Tag == r.Tag })
		if i < 0 {
			if _, err := s.stillNames(ctx, image, r); err != nil {
				return nil, err
			}
			continue
		}
		if why := cmp.Or(r.Blocked, now[i].Blocked); why != "" {
			return nil, fmt.Errorf("%w: %s can't be removed: %s", ErrInUse, r.Digest, why)
		}
		going = append(going, now[i])
	}
	return going, nil
}

// relistTimeout bounds the time to restore entries of the list, even after the
// caller's context has ended.
const relistTimeout = 15 * time.Second

// relist restores the entries whose manifests exist, since what was not deleted
// must stay listed.
func (s *session) relist(ctx context.Context, image Image, all []Descriptor) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), relistTimeout)
	defer cancel()
	there, err := s.stillThere(ctx, image, all)
	if err != nil || len(there) == 0 {
		return err
	}
	return s.rewriteList(ctx, image, there, nil)
}

// delete deletes a manifest, and its tag if the registry keeps it. If the tag
// names another manifest by now, both stay.
func (s *session) delete(ctx context.Context, image Image, r Removable) error {
	names, err := s.stillNames(ctx, image, r)
	if err != nil {
		return err
	}
	err = s.deleteName(ctx, r.Digest)
	if isRefusal(err) {
		return fmt.Errorf("%w: %w", ErrUndeletable, err)
	}
	if err != nil || !names {
		return err
	}
	if names, err = s.stillNames(ctx, image, r); err != nil || !names {
		return err
	}
	if err := s.deleteName(ctx, r.Tag); err != nil && !isRefusal(err) { // registries need not support deleting tags
		return err
	}
	if names, err = s.stillNames(ctx, image, r); names {
		return garbled("%s was deleted but still exists", r.Tag)
	}
	return err
}

// stillNames reports whether the tag of r exists. It must not name another
// manifest.
func (s *session) stillNames(ctx context.Context, image Image, r Removable) (bool, error) {
	if r.Tag == "" {
		return false, nil
	}
	d, ok, err := s.tagged(ctx, image.repo.Tag(r.Tag))
	if ok && d.Digest != r.Digest {
		return false, fmt.Errorf("%w: tag %s has been changed and now names %s", ErrInUse, r.Tag, d.Digest)
	}
	return ok, err
}

func (s *session) deleteName(ctx context.Context, name string) error {
	_, err := s.do(ctx, request{
		method: http.MethodDelete, url: s.url("manifests", name), limit: MaxManifest,
		statuses: []int{http.StatusAccepted, http.StatusOK, http.StatusNoContent, http.StatusNotFound},
	})
	return err
}

// isRefusal reports whether the registry does not support deleting.
func isRefusal(err error) bool {
	u := new(RegistryError)
	return errors.As(err, &u) && (u.Status == http.StatusMethodNotAllowed || u.Status == http.StatusBadRequest || u.Status == http.StatusNotImplemented)
}
