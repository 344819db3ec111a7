// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// maxPlatforms bounds the manifests of an index, including nested indexes.
const maxPlatforms = 1000

// An Attached is an entry of a registry's list of attachments. It has not been
// fetched or verified.
type Attached struct {
	Digest        string // of the manifest; empty for a legacy tag
	Tag           string // tag of cosign 1 and 2: sha256-HEX.sig, .att or .sbom
	Type          string // artifact type
	PredicateType string // of a bundle's statement, according to its annotation
	Size          int64  // of the manifest
}

// Attachments lists all attachments of the image, bundles and others. Errors
// are of type *[RegistryError].
func (c *Client) Attachments(ctx context.Context, image Image) ([]Attached, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	all, err := c.attachments(ctx, image)
	if err != nil {
		return nil, fmt.Errorf("listing attachments of %s: %w", image, err)
	}
	return all, nil
}

func (c *Client) attachments(ctx context.Context, image Image) ([]Attached, error) {
	s, err := c.session(ctx, image.repo, transport.PullScope)
	if err != nil {
		return nil, err
	}
	listed, err := s.list(ctx, image)
	if err != nil {
		return nil, err
	}
	var all []Attached
	for _, d := range listed {
		if d.Digest == image.Digest {
			continue // some registries list the image itself
		}
		all = append(all, Attached{Digest: d.Digest, Type: d.ArtifactType, PredicateType: d.Annotations[annotationPredicate], Size: d.Size})
	}
	legacy, err := s.legacyTags(ctx, image)
	return append(all, legacy...), err
}

// Platforms returns the manifests of an index, including nested indexes. It
// returns none for an image for one platform. Errors are of type
// *[RegistryError].
func (c *Client) Platforms(ctx context.Context, image Image) ([]Image, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.PullScope)
	var all []Image
	if err == nil {
		all, err = s.platforms(ctx, image)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the platforms of %s: %w", image, err)
	}
	return all, nil
}

func (s *session) platforms(ctx context.Context, image Image) ([]Image, error) {
	var all []Image
	seen := map[string]bool{image.Digest: true}
	for todo := []Image{image}; len(todo) > 0; todo = todo[1:] {
		if !isIndex(todo[0].MediaType) {
			continue
		}
		parts, err := s.parts(ctx, todo[0])
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			if seen[part.Digest] {
				continue
			}
			if len(all) == maxPlatforms {
				return nil, &RegistryError{Reason: TooMuch, Err: fmt.Errorf("the index has more than %d manifests", maxPlatforms)}
			}
			seen[part.Digest] = true
			all, todo = append(all, part), append(todo, part)
		}
	}
	return all, nil
}

func isIndex(mediaType string) bool { return mediaType == TypeIndex || mediaType == typeDockerIndex }

// parts returns the entries of an index.
func (s *session) parts(ctx context.Context, image Image) ([]Image, error) {
	d := Descriptor{MediaType: image.MediaType, Size: image.Size, Digest: image.Digest}
	if err := d.check(MaxManifest); err != nil {
		return nil, garbled("%w", err)
	}
	raw, err := s.get(ctx, "manifests", d)
	if err != nil {
		return nil, err
	}
	var list index
	if err := Unmarshal(raw, &list); err != nil {
		return nil, garbled("parsing index: %w", err)
	}
	var all []Image
	for _, d := range list.Manifests {
		if err := d.check(MaxManifest); err != nil {
			return nil, garbled("%w", err)
		}
		all = append(all, Image{Repository: image.Repository, Digest: d.Digest, MediaType: d.MediaType, Size: d.Size, repo: image.repo})
	}
	return all, nil
}
