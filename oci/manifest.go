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

// Media types, of the OCI image specification and of docker.
const (
	TypeIndex = "application/vnd.oci.image.index.v1+json" // TypeIndex is that of an index

	typeManifest       = "application/vnd.oci.image.manifest.v1+json"
	typeConfig         = "application/vnd.oci.image.config.v1+json"
	typeEmpty          = "application/vnd.oci.empty.v1+json"
	typeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	typeDockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// acceptManifests is how a manifest is asked for, whichever it is.
const acceptManifests = typeManifest + ", " + TypeIndex + ", " + typeDockerManifest + ", " + typeDockerIndex

// Annotations of a bundle's manifest, as cosign writes them. They are hints of
// whoever pushed it, and decide nothing here.
const (
	annotationContent   = "dev.sigstore.bundle.content"
	annotationPredicate = "dev.sigstore.bundle.predicateType"
	annotationCreated   = "org.opencontainers.image.created"
)

// emptyConfig is the content of typeEmpty (image-spec manifest.md, "Guidance for
// an Empty Descriptor").
const emptyConfig = "{}"

// Descriptor points to something in the same place: a manifest or a blob
// (image-spec descriptor.md).
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Size         int64             `json:"size"`
	Digest       string            `json:"digest"` // sha256:HEX
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	URLs         []string          `json:"urls,omitempty"` // where it is as well
	Rest         jsontext.Value    `json:",embed"`         // members that others wrote, kept as they are
}

// manifest is the one that holds a bundle:
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

// index is a list of manifests: what the referrers API and the fallback tag give.
type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []Descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// maxValues bounds what is in a manifest, which would else take forty times its size
// in memory ("layers":[{},{},…]): 20,000 entries have room, with their annotations.
const maxValues = 250_000

// Unmarshal reads a manifest or an index of strangers, if it has no more in it than
// one may have.
func Unmarshal(raw []byte, into any) error {
	if n := values(raw); n > maxValues {
		return fmt.Errorf("up to %d values are in it, more than %d", n, maxValues)
	}
	return json.Unmarshal(raw, into)
}

// values is how many values JSON has in it, at most: each but the first of an object
// or an array stands behind a comma.
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

// errOther: an attachment that is something else than a bundle.
var errOther = errors.New("another artifact")

// bundleIn gives the layer with the bundle, of a manifest that must be about the
// image.
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
		return Descriptor{}, malformed("it hangs on another image")
	case len(m.Layers) != 1:
		return Descriptor{}, malformed("%d layers, not the one with the bundle", len(m.Layers))
	case !isBundleType(m.Layers[0].MediaType):
		return Descriptor{}, malformed("the layer is %q, not a bundle", m.Layers[0].MediaType)
	}
	return m.Layers[0], m.Layers[0].check(bundle.MaxSize)
}

// check holds a descriptor to its form before anything is fetched for it.
func (d Descriptor) check(limit int64) error {
	if _, err := parseDigest(d.Digest); err != nil {
		return malformed("%w", err)
	}
	if d.Size <= 0 || d.Size > limit {
		return malformed("%s has %d bytes, at most %d are read", d.Digest, d.Size, limit)
	}
	return nil
}

// fits says whether raw is what the descriptor points to.
func (d Descriptor) fits(raw []byte) error {
	if int64(len(raw)) != d.Size {
		return garbled("%s has %d bytes, its descriptor says %d", d.Digest, len(raw), d.Size)
	}
	if got := digestOf(raw); got != d.Digest {
		return garbled("%s was asked for, and %s came", d.Digest, got)
	}
	return nil
}

// isBundleType knows the media types of bundle, in both spellings.
func isBundleType(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/vnd.dev.sigstore.bundle.v0.") ||
		strings.HasPrefix(mediaType, "application/vnd.dev.sigstore.bundle+json;version=0.")
}

// mayHold says whether a listed manifest can be one with a bundle. Some registries
// list the media type of the config in place of the artifact's, or nothing.
func (d Descriptor) mayHold() bool {
	return isBundleType(d.ArtifactType) || d.ArtifactType == "" || d.ArtifactType == typeEmpty
}

// marshal writes a manifest or an index, always in the same bytes.
func marshal(v any) ([]byte, error) {
	raw, err := json.Marshal(v, json.Deterministic(true))
	return bytes.TrimSpace(raw), err
}
