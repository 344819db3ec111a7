// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// A Reference names an image in a registry, by tag or by digest.
type Reference struct {
	ref name.Reference
}

// ParseReference parses REGISTRY/REPO:TAG or REGISTRY/REPO@sha256:HEX. There is
// no default registry or tag, because a signature must not depend on a client's
// defaults. Errors are of type *[NameError].
func ParseReference(text string) (Reference, error) {
	ref, err := parse(text)
	if err != nil {
		return Reference{}, misnamed(text)
	}
	return Reference{ref}, nil
}

// Names as the specification defines them (distribution-spec, "Pulling
// manifests"). The library accepts more. The patterns are compiled where they are
// needed: most commands need none of them.

func isHost(text string) bool {
	return regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]+)?$`).MatchString(text)
}

func isRepository(text string) bool {
	const part = `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
	return regexp.MustCompile(`^` + part + `(/` + part + `)*$`).MatchString(text)
}

func isTag(text string) bool {
	return len(text) <= 128 && regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]*$`).MatchString(text)
}

func parse(text string) (name.Reference, error) {
	ref, err := name.ParseReference(text, name.StrictValidation)
	if err != nil {
		return nil, err
	}
	id := ref.Identifier()
	if _, ok := ref.(name.Digest); ok {
		_, err = parseDigest(id)
	} else if !isTag(id) {
		err = fmt.Errorf("%.200q is not a tag", id)
	}
	host := ref.Context().RegistryStr()
	if !hasGoodPort(host) {
		err = fmt.Errorf("%.200q has an invalid port", host)
	}
	if !isHost(host) || !isRepository(ref.Context().RepositoryStr()) {
		err = fmt.Errorf("%.200q is not a repository", ref.Context())
	}
	return ref, err
}

// hasGoodPort reports whether the port of a registry, if any, is valid.
func hasGoodPort(registry string) bool {
	_, port, err := net.SplitHostPort(registry)
	if err != nil {
		return true
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// String returns the reference as it was written.
func (r Reference) String() string { return r.ref.String() }

// Tag returns the tag of the reference, which may be empty.
func (r Reference) Tag() string {
	if tag, ok := r.ref.(name.Tag); ok {
		return tag.TagStr()
	}
	return ""
}

// Digest returns the digest of the reference, which may be empty.
func (r Reference) Digest() string {
	if digest, ok := r.ref.(name.Digest); ok {
		return digest.DigestStr()
	}
	return ""
}

// Repository returns REGISTRY/REPO.
func (r Reference) Repository() string { return r.ref.Context().Name() }

// LooksLikeImage reports whether text is a complete reference: a registry with
// a dot or a port, or localhost, then a repository, and a tag or a digest.
func LooksLikeImage(text string) bool {
	registry, rest, _ := strings.Cut(text, "/")
	if !strings.ContainsAny(registry, ".:") && registry != "localhost" || !strings.ContainsAny(rest, ":@") {
		return false
	}
	_, err := ParseReference(text)
	return err == nil && strings.Trim(registry, ".") != ""
}

// An Image is an image in a registry: a manifest, or an index of several.
type Image struct {
	Repository string // REGISTRY/REPO
	Digest     string // sha256:HEX of the manifest
	MediaType  string
	Size       int64

	repo name.Repository
}

// String returns the image by digest.
func (i Image) String() string { return i.Repository + "@" + i.Digest }

// Sum returns the digest's bytes.
func (i Image) Sum() []byte {
	sum, _ := parseDigest(i.Digest)
	return sum
}

// parseDigest parses sha256:HEX, the only algorithm that images are signed
// with.
func parseDigest(text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "sha256:")
	sum, err := hex.DecodeString(digits)
	if strings.HasPrefix(text, "sha512:") {
		return nil, fmt.Errorf("%.160q: SHA-512 digests are not supported, want SHA-256", text)
	}
	if !ok || err != nil || len(sum) != sha256.Size || digits != strings.ToLower(digits) {
		return nil, fmt.Errorf("%q is not sha256: and 64 lower-case hexadecimal digits", text)
	}
	return sum, nil
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// fallbackTag returns the tag with the list of a registry without referrers API
// (distribution-spec, "Referrers Tag Schema").
func (i Image) fallbackTag() string { return i.Descriptor().FallbackTag() }

// A NameError reports text that is not the name of an image.
type NameError struct {
	Reason string // what is wrong with the name
	Try    string // likely intended name; may be empty
}

// Error describes the form of names and what is wrong.
func (e *NameError) Error() string {
	return "images are named REGISTRY/REPO:TAG or REGISTRY/REPO@sha256:HEX: " + e.Reason
}

// schemeOf returns the scheme that other tools put before image names, such as
// docker:// or https://, or nothing.
func schemeOf(text string) string {
	scheme, _, ok := strings.Cut(text, "://")
	letter := func(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
	other := func(r rune) bool { return !strings.ContainsRune("+.-0123456789", r) && (r > 'z' || !letter(byte(r))) }
	if !ok || scheme == "" || !letter(scheme[0]) || strings.ContainsFunc(scheme, other) {
		return ""
	}
	return scheme + "://"
}

// MeansImage reports whether text is meant as an image, though perhaps
// misspelled: it has a scheme, or a registry with a port, or a registry with a
// dot and then a tag or digest.
func MeansImage(text string) bool {
	if scheme := schemeOf(text); scheme != "" {
		return !strings.EqualFold(scheme, "file://")
	}
	registry, rest, ok := strings.Cut(text, "/")
	if !ok || strings.Trim(registry, ".") == "" {
		return false
	}
	return hasPort(registry) || (registry == "localhost" || strings.Contains(registry, ".")) && strings.ContainsAny(rest, ":@")
}

// hasPort reports whether a registry is written as HOST:PORT.
func hasPort(registry string) bool {
	colon := strings.LastIndex(registry, ":")
	return colon > 0 && colon < len(registry)-1 && strings.Trim(registry[colon+1:], "0123456789") == ""
}

// misnamed returns the error for an invalid name.
func misnamed(text string) *NameError {
	if scheme := schemeOf(text); scheme != "" {
		return likely("remove "+scheme, text[len(scheme):])
	}
	rest, digest, byDigest := strings.Cut(text, "@")
	repo, tag, tagged := rest, "", false
	if i := strings.LastIndex(rest, ":"); i > strings.LastIndex(rest, "/") {
		repo, tag, tagged = rest[:i], rest[i+1:], true
	}
	registry, path, whole := strings.Cut(repo, "/")
	isRegistry := registry == "localhost" || strings.ContainsAny(registry, ".:")
	switch {
	case !whole || !isRegistry:
		return likely(fmt.Sprintf("%.200q has no registry; Docker Hub is docker.io", text), hub(text, whole))
	case path != strings.ToLower(path):
		return likely("a repository is written in lower case", registry+"/"+strings.ToLower(path)+text[len(repo):])
	case !hasGoodPort(registry):
		return &NameError{Reason: fmt.Sprintf("%.200q has a port above 65535", registry)}
	case !isHost(registry), !isRepository(path):
		return &NameError{Reason: fmt.Sprintf("%.200q is not a repository", repo)}
	case byDigest:
		return misnamedDigest(rest, repo, digest)
	case !tagged || tag == "":
		return &NameError{Reason: "the tag or digest is missing, and there is no default", Try: repo + ":TAG"}
	case strings.Contains(tag, "+"):
		return likely("a tag has no +; Helm and others write _ in its place", repo+":"+strings.ReplaceAll(tag, "+", "_"))
	}
	return &NameError{Reason: fmt.Sprintf("%.200q is not a tag: up to 128 letters, digits, _, . and -", tag)}
}

// hub returns the full name of an image of Docker Hub.
func hub(text string, whole bool) string {
	if whole {
		return "docker.io/" + text
	}
	return "docker.io/library/" + text
}

// misnamedDigest returns the error for an invalid digest after a repository,
// which may have a tag.
func misnamedDigest(before, repo, digest string) *NameError {
	algorithm, digits, _ := strings.Cut(digest, ":")
	switch {
	case strings.EqualFold(algorithm, "sha512"):
		return &NameError{Reason: "digests must be SHA-256; SHA-512 is not supported"}
	case !strings.EqualFold(algorithm, "sha256"):
		return likely(fmt.Sprintf("%.200q is not a SHA-256 digest", digest), before+"@sha256:"+digest)
	case len(digits) != 64:
		return &NameError{Reason: fmt.Sprintf("a digest has 64 hexadecimal digits, but this one has %d: use the full digest", len(digits)), Try: repo + ":TAG"}
	}
	return likely("a digest is 64 hexadecimal digits in lower case", before+"@"+strings.ToLower(digest))
}

// likely proposes a name, if it is valid.
func likely(reason, try string) *NameError {
	if _, err := parse(try); err != nil {
		try = ""
	}
	return &NameError{Reason: reason, Try: try}
}
