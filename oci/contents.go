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

// Contents are what a manifest or an index points to.
type Contents struct {
	Manifests []Descriptor // of an index
	Config    *Descriptor  // of a manifest
	Layers    []Descriptor
	Subject   *Descriptor // what it hangs on; may be nil

	ArtifactType string // as a list of referrers has it (distribution-spec, "Listing Referrers")
	Annotations  map[string]string

	Values int // how many it has in it, at most: what it takes parsed goes by that
}

// ParseContents reads a manifest or an index, of OCI or of docker, which must be
// what its descriptor says, which CheckManifest has accepted. Errors: ErrMalformed.
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
		return Contents{}, malformed("it is listed as %q, and says that it is %q", d.MediaType, m.MediaType)
	case !index && (m.Manifests != nil || m.Config == nil), index && (m.Config != nil || m.Layers != nil):
		return Contents{}, malformed("%q does not have what it must, or has what it may not", d.MediaType)
	}
	c := Contents{Manifests: m.Manifests, Config: m.Config, Layers: m.Layers, Subject: m.Subject, ArtifactType: m.ArtifactType, Annotations: m.Annotations, Values: values(raw)}
	if c.ArtifactType == "" && c.Config != nil {
		c.ArtifactType = c.Config.MediaType
	}
	return c, nil
}

// Blobs are the config and the layers, but for those that are kept elsewhere.
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

// isElsewhere: registries are not given layers that may not be distributed
// (image-spec layer.md, "Non-Distributable Layers").
func (d Descriptor) isElsewhere() bool {
	return len(d.URLs) > 0 && (strings.HasPrefix(d.MediaType, "application/vnd.oci.image.layer.nondistributable.") ||
		strings.HasPrefix(d.MediaType, "application/vnd.docker.image.rootfs.foreign."))
}

// IsIndex says whether the descriptor is of an index.
func (d Descriptor) IsIndex() bool { return isIndex(d.MediaType) }

// IsBundle reports whether the descriptor is of a manifest with a bundle.
func (d Descriptor) IsBundle() bool { return isBundleType(d.ArtifactType) }

// Hex is the digest's digits. Errors: ErrMalformed, where it is not SHA-256.
func (d Descriptor) Hex() (string, error) {
	sum, err := parseDigest(d.Digest)
	if err != nil {
		return "", malformed("%w", err)
	}
	return hex.EncodeToString(sum), nil
}

// CheckManifest holds the descriptor of a manifest or an index to its form and to
// the limit. Errors: ErrMalformed.
func (d Descriptor) CheckManifest() error {
	if !d.IsIndex() && d.MediaType != typeManifest && d.MediaType != typeDockerManifest {
		return malformed("%q is neither a manifest nor an index", d.MediaType)
	}
	return d.check(MaxManifest)
}

// LegacyTags are the tags under which cosign 1 and 2 left things on the manifest.
func (d Descriptor) LegacyTags() []string {
	var tags []string
	for _, suffix := range []string{signatureSuffix, attestationSuffix, sbomSuffix} {
		tags = append(tags, d.FallbackTag()+suffix)
	}
	return tags
}

// FallbackTag is where a place that cannot list referrers has the list of those of
// the manifest.
func (d Descriptor) FallbackTag() string { return strings.Replace(d.Digest, ":", "-", 1) }

// Describe is the descriptor of a manifest. Old ones do not say what they are; for
// them it is mediaType.
func Describe(raw []byte, mediaType string) Descriptor {
	var m struct {
		MediaType string `json:"mediaType"`
	}
	if err := json.Unmarshal(raw, &m); err == nil && m.MediaType != "" {
		mediaType = m.MediaType
	}
	return Descriptor{MediaType: mediaType, Size: int64(len(raw)), Digest: digestOf(raw)}
}

// Identify returns the descriptor of a manifest or an index, of which mediaType is
// what the registry says that it is. Where neither that nor the manifest itself names
// a type, its members do: some registries send all of them as JSON or text. Errors:
// *RegistryError.
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
		return d, garbled("what the registry sends is no image manifest: %v", err)
	}
	return d, nil
}

// isSchema1 reports whether a manifest is of docker's first format.
func isSchema1(mediaType string, raw []byte) bool {
	var m struct {
		SchemaVersion int `json:"schemaVersion"`
	}
	return strings.HasPrefix(mediaType, "application/vnd.docker.distribution.manifest.v1+") || json.Unmarshal(raw, &m) == nil && m.SchemaVersion == 1
}

// Verified reads a blob that must be what its descriptor says. The last bytes are
// given out when all of them have been seen to be: whoever got them all has the
// blob. Reading ends with *RegistryError otherwise.
func Verified(content io.Reader, d Descriptor) io.Reader {
	return &verified{content, d, d.Size, sha256.New()}
}

type verified struct {
	content io.Reader
	want    Descriptor
	left    int64
	sum     hash.Hash
}

// Read reads on.
func (v *verified) Read(p []byte) (int, error) {
	if v.left == 0 && v.want.Size > 0 {
		return 0, io.EOF
	}
	n, err := v.content.Read(p)
	v.sum.Write(p[:n])
	v.left -= int64(n)
	switch {
	case v.left < 0:
		return 0, garbled("%s has more bytes than the %d that its descriptor says", v.want.Digest, v.want.Size)
	case err == io.EOF && v.left > 0:
		return 0, garbled("%s has %d bytes, its descriptor says %d", v.want.Digest, v.want.Size-v.left, v.want.Size)
	case v.left == 0:
		return v.end(n)
	}
	return n, err
}

// end gives the last n bytes out.
func (v *verified) end(n int) (int, error) {
	var more [1]byte
	if m, err := io.ReadFull(v.content, more[:]); m > 0 {
		return 0, garbled("%s has more bytes than the %d that its descriptor says", v.want.Digest, v.want.Size)
	} else if err != io.EOF {
		return 0, err
	}
	if got := fmt.Sprintf("sha256:%x", v.sum.Sum(nil)); got != v.want.Digest {
		return 0, garbled("%s was asked for, and %s came", v.want.Digest, got)
	}
	return n, io.EOF
}
