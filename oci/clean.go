// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"fmt"
	"slices"
	"strings"

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
