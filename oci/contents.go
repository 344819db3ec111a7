// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
)

// Contents lists what a manifest or an index refers to.
type Contents struct {
	Manifests []Descriptor // of an index only
	Config    *Descriptor  // of a manifest only
	Layers    []Descriptor
	Subject   *Descriptor // manifest that it is attached to; may be nil

	ArtifactType string // as in a list of referrers (distribution-spec, "Listing Referrers")
	Annotations  map[string]string

	Values int // upper bound of the JSON values in it, which determine its size in memory
}

// ParseContents parses a manifest or an index, of OCI or docker. Its media type
// must be that of d, which [Descriptor.CheckManifest] has accepted. Errors
// match [ErrMalformed].
func ParseContents(d Descriptor, raw []byte) (Contents, error) {
	var m struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		ArtifactType  string            `json:"artifactType"`
		Config        *Descriptor       `json:"config"`
		Layers        []Descriptor      `json:"layers"`
		Manifests     []Descriptor      `json:"manifests"`
		Subject       *Descriptor       `json:"subject"`
		Annotations   map[string]string `json:"annotations"`
	}
	if err := Unmarshal(raw, &m); err != nil {
		return Contents{}, malformed("parsing manifest: %w", err)
	}
	switch index := d.IsIndex(); {
	case m.SchemaVersion != 2:
		return Contents{}, malformed("a manifest of schema %d", m.SchemaVersion)
	case m.MediaType != "" && m.MediaType != d.MediaType:
		return Contents{}, malformed("it is listed as %q, but its mediaType is %q", d.MediaType, m.MediaType)
	case !index && (m.Manifests != nil || m.Config == nil), index && (m.Config != nil || m.Layers != nil):
		return Contents{}, malformed("%q lacks a required member or has a forbidden one", d.MediaType)
	}
	c := Contents{Manifests: m.Manifests, Config: m.Config, Layers: m.Layers, Subject: m.Subject, ArtifactType: m.ArtifactType, Annotations: m.Annotations, Values: values(raw)}
	if c.ArtifactType == "" && c.Config != nil {
		c.ArtifactType = c.Config.MediaType
	}
	return c, nil
}

// Blobs returns the config and the layers, and separately those that are stored
// elsewhere.
func (c Contents) Blobs() (here, elsewhere []Descriptor) {
	if c.Config != nil {
		here = append(here, *c.Config)
	}
	for _, layer := range c.Layers {
		if layer.isElsewhere() {
			elsewhere = append(elsewhere, layer)
		} else {
			here = append(here, layer)
		}
	}
	return here, elsewhere
}

// isElsewhere reports whether d is a layer that must not be distributed, which
// registries do not store (image-spec layer.md, "Non-Distributable Layers").
func (d Descriptor) isElsewhere() bool {
	return len(d.URLs) > 0 && (strings.HasPrefix(d.MediaType, "application/vnd.oci.image.layer.nondistributable.") ||
		strings.HasPrefix(d.MediaType, "application/vnd.docker.image.rootfs.foreign."))
}

// IsIndex reports whether the descriptor refers to an index.
func (d Descriptor) IsIndex() bool { return isIndex(d.MediaType) }

// IsBundle reports whether the descriptor refers to a manifest with a bundle.
func (d Descriptor) IsBundle() bool { return isBundleType(d.ArtifactType) }

// Hex returns the hexadecimal digits of the digest. Errors match
// [ErrMalformed]: the digest is not SHA-256.
func (d Descriptor) Hex() (string, error) {
	sum, err := parseDigest(d.Digest)
	if err != nil {
		return "", malformed("%w", err)
	}
	return hex.EncodeToString(sum), nil
}

// CheckManifest checks that the descriptor of a manifest or an index is
// well-formed and within limits. Errors match [ErrMalformed].
func (d Descriptor) CheckManifest() error {
	if !d.IsIndex() && d.MediaType != typeManifest && d.MediaType != typeDockerManifest {
		return malformed("%q is neither a manifest nor an index", d.MediaType)
	}
	return d.check(MaxManifest)
}

// LegacyTags returns the tags that cosign 1 and 2 use for attachments of the
// manifest.
func (d Descriptor) LegacyTags() []string {
	var tags []string
	for _, suffix := range []string{signatureSuffix, attestationSuffix, sbomSuffix} {
		tags = append(tags, d.FallbackTag()+suffix)
	}
	return tags
}

// FallbackTag returns the tag that has the list of referrers in places without
// referrers API.
func (d Descriptor) FallbackTag() string { return strings.Replace(d.Digest, ":", "-", 1) }

// Describe returns the descriptor of a manifest. mediaType applies to old
// manifests, which do not contain their type.
func Describe(raw []byte, mediaType string) Descriptor {
	var m struct {
		MediaType string `json:"mediaType"`
	}
	if err := json.Unmarshal(raw, &m); err == nil && m.MediaType != "" {
		mediaType = m.MediaType
	}
	return Descriptor{MediaType: mediaType, Size: int64(len(raw)), Digest: digestOf(raw)}
}

// Identify returns the descriptor of a manifest or an index. mediaType is the
// type that the registry sent. If neither it nor the manifest names a known
// type, the members of the manifest determine it, since some registries send
// all manifests as JSON or text. Errors are of type *[RegistryError].
func Identify(raw []byte, mediaType string) (Descriptor, error) {
	d := Describe(raw, mediaType)
	if d.CheckManifest() != nil {
		for _, kind := range []string{typeManifest, TypeIndex} {
			if _, err := ParseContents(Descriptor{MediaType: kind}, raw); err == nil {
				d.MediaType = kind
			}
		}
	}
	if isSchema1(d.MediaType, raw) {
		return d, unsupported("a manifest of docker's schema 1, which has no digest of its own: push the image again with a current docker")
	}
	err := d.CheckManifest()
	if err == nil {
		_, err = ParseContents(d, raw)
	}
	if err != nil {
		return d, garbled("the registry did not send an image manifest: %v", err)
	}
	return d, nil
}

// isSchema1 reports whether a manifest has docker's first format.
func isSchema1(mediaType string, raw []byte) bool {
	var m struct {
		SchemaVersion int `json:"schemaVersion"`
	}
	return strings.HasPrefix(mediaType, "application/vnd.docker.distribution.manifest.v1+") || json.Unmarshal(raw, &m) == nil && m.SchemaVersion == 1
}

// Verified returns a reader of content that verifies size and digest. It
// withholds the last bytes until the digest has been checked: a reader that
// gets all bytes has the right blob. Otherwise reading ends with a
// *[RegistryError].
func Verified(content io.Reader, d Descriptor) io.Reader {
	return &verified{content, d, d.Size, sha256.New()}
}

type verified struct {
	content io.Reader
	want    Descriptor
	left    int64
	sum     hash.Hash
}

// Read implements [io.Reader].
func (v *verified) Read(p []byte) (int, error) {
	if v.left == 0 && v.want.Size > 0 {
		return 0, io.EOF
	}
	n, err := v.content.Read(p)
	v.sum.Write(p[:n])
	v.left -= int64(n)
	switch {
	case v.left < 0:
		return 0, garbled("%s has more than the %d bytes of its descriptor", v.want.Digest, v.want.Size)
	case err == io.EOF && v.left > 0:
		return 0, garbled("%s has %d bytes, but its descriptor says %d", v.want.Digest, v.want.Size-v.left, v.want.Size)
	case v.left == 0:
		return v.end(n)
	}
	return n, err
}

// end checks the digest and returns the last n bytes.
func (v *verified) end(n int) (int, error) {
	var more [1]byte
	if m, err := io.ReadFull(v.content, more[:]); m > 0 {
		return 0, garbled("%s has more than the %d bytes of its descriptor", v.want.Digest, v.want.Size)
	} else if err != io.EOF {
		return 0, err
	}
	if got := fmt.Sprintf("sha256:%x", v.sum.Sum(nil)); got != v.want.Digest {
		return 0, garbled("requested %s, but got %s", v.want.Digest, got)
	}
	return n, io.EOF
}
