// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"strings"
)

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
