// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/bundle"
)

// Media types of the OCI image specification and of docker.
const (
	TypeIndex = "application/vnd.oci.image.index.v1+json" // image index

	typeManifest       = "application/vnd.oci.image.manifest.v1+json"
	typeConfig         = "application/vnd.oci.image.config.v1+json"
	typeEmpty          = "application/vnd.oci.empty.v1+json"
	typeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	typeDockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// acceptManifests is the Accept header for a manifest of any type.
const acceptManifests = typeManifest + ", " + TypeIndex + ", " + typeDockerManifest + ", " + typeDockerIndex

// Annotations of a bundle's manifest, as cosign writes them. They are
// unauthenticated hints; no decision depends on them.
const (
	annotationContent   = "dev.sigstore.bundle.content"
	annotationPredicate = "dev.sigstore.bundle.predicateType"
	annotationCreated   = "org.opencontainers.image.created"
)

// emptyConfig is the content of typeEmpty (image-spec manifest.md, "Guidance
// for an Empty Descriptor").
const emptyConfig = "{}"

// A Descriptor refers to a manifest or a blob in the same place (image-spec
// descriptor.md).
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Size         int64             `json:"size"`
	Digest       string            `json:"digest"` // sha256:HEX
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	URLs         []string          `json:"urls,omitempty"` // further locations
	Rest         jsontext.Value    `json:",embed"`         // unknown members, kept unchanged
}

// A manifest is the manifest of a bundle:
//
//	{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
//	 "artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json",
//	 "config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"sha256:4413…"},
//	 "layers":[{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","size":4437,"digest":"sha256:9fcf…"}],
//	 "subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":423,"digest":"sha256:c605…"},
//	 "annotations":{"dev.sigstore.bundle.content":"dsse-envelope",…}}
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        Descriptor        `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Subject       *Descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// An index is a list of manifests, from the referrers API or the fallback tag.
type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []Descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// maxValues bounds the JSON values of a manifest, which can take forty times
// its size in memory ("layers":[{},{},…]). 20,000 entries with annotations fit.
const maxValues = 250_000

// Unmarshal decodes an untrusted manifest or index, unless it has too many
// values.
func Unmarshal(raw []byte, into any) error {
	if n := values(raw); n > maxValues {
		return fmt.Errorf("up to %d values, more than the %d allowed", n, maxValues)
	}
	return json.Unmarshal(raw, into)
}

// values returns an upper bound of the JSON values in raw: every value but the
// first of an object or an array follows a comma.
func values(raw []byte) int {
	return bytes.Count(raw, []byte(",")) + bytes.Count(raw, []byte("{")) + bytes.Count(raw, []byte("[")) + 1
}

func parseIndex(raw []byte) (index, error) {
	var i index
	if err := Unmarshal(raw, &i); err != nil {
		return i, fmt.Errorf("parsing index: %w", err)
	}
	if i.SchemaVersion != 2 || i.MediaType != "" && i.MediaType != TypeIndex {
		return i, fmt.Errorf("parsing index: schema %d, media type %q", i.SchemaVersion, i.MediaType)
	}
	return i, nil
}

// errOther reports an attachment that is not a bundle.
var errOther = errors.New("another artifact")

// bundleIn returns the layer with the bundle. The manifest's subject must be
// the image.
func bundleIn(raw []byte, image string) (Descriptor, error) {
	var m manifest
	if err := Unmarshal(raw, &m); err != nil {
		return Descriptor{}, malformed("parsing manifest: %w", err)
	}
	switch {
	case !isBundleType(m.ArtifactType) && !slices.ContainsFunc(m.Layers, func(d Descriptor) bool { return isBundleType(d.MediaType) }):
		return Descriptor{}, errOther
	case m.SchemaVersion != 2, m.MediaType != "" && m.MediaType != typeManifest:
		return Descriptor{}, malformed("schema %d, media type %q", m.SchemaVersion, m.MediaType)
	case m.Subject == nil, m.Subject.Digest != image:
		return Descriptor{}, malformed("it is attached to another image")
	case len(m.Layers) != 1:
		return Descriptor{}, malformed("%d layers, want one with the bundle", len(m.Layers))
	case !isBundleType(m.Layers[0].MediaType):
		return Descriptor{}, malformed("the layer is %q, not a bundle", m.Layers[0].MediaType)
	}
	return m.Layers[0], m.Layers[0].check(bundle.MaxSize)
}

// check checks the form and size of a descriptor before its content is fetched.
func (d Descriptor) check(limit int64) error {
	if _, err := parseDigest(d.Digest); err != nil {
		return malformed("%w", err)
	}
	if d.Size <= 0 || d.Size > limit {
		return malformed("%s has %d bytes, at most %d are allowed", d.Digest, d.Size, limit)
	}
	return nil
}

// fits checks that raw is the content of the descriptor.
func (d Descriptor) fits(raw []byte) error {
	if int64(len(raw)) != d.Size {
		return garbled("%s has %d bytes, but its descriptor says %d", d.Digest, len(raw), d.Size)
	}
	if got := digestOf(raw); got != d.Digest {
		return garbled("requested %s, but got %s", d.Digest, got)
	}
	return nil
}

// isBundleType reports whether mediaType is a bundle's, in either spelling.
func isBundleType(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/vnd.dev.sigstore.bundle.v0.") ||
		strings.HasPrefix(mediaType, "application/vnd.dev.sigstore.bundle+json;version=0.")
}

// mayHold reports whether a listed manifest may have a bundle. Some registries
// list the media type of the config as artifact type, or nothing.
func (d Descriptor) mayHold() bool {
	return isBundleType(d.ArtifactType) || d.ArtifactType == "" || d.ArtifactType == typeEmpty
}

// marshal encodes a manifest or an index deterministically.
func marshal(v any) ([]byte, error) {
	raw, err := json.Marshal(v, json.Deterministic(true))
	return bytes.TrimSpace(raw), err
}
