// SPDX-License-Identifier: Apache-2.0

package find

import (
	"bytes"
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"os"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/simplesigning"
)

// A Registry provides images and the bundles attached to them. It is safe
// for concurrent use. A caller that verifies only files needs none, and no network.
type Registry interface {
	// IsImage reports whether text can only be meant as an image.
	IsImage(text string) bool

	// Misnamed is the error in text that is no image and can only be meant for
	// one; nil: it may be anything.
	Misnamed(text string) error

	// Look returns what the registry has of an image, with its Digest as subject. An
	// error reports that the registry could not be consulted, or that the text names
	// nothing; no bundles, that the image is there and unsigned.
	Look(ctx context.Context, reference string) (Evidence, error)
}

// Schemes that determine the kind of an argument.
const (
	fileScheme  = "file:"
	imageScheme = "oci:"
)

// Subject reports whether an argument names an image, and returns it without its
// scheme. An existing path is a file; an ambiguous argument is an error.
func (f Finder) Subject(arg string) (text string, image bool, err error) {
	_, missing := os.Lstat(arg)
	exists := missing == nil
	path, isFile := strings.CutPrefix(arg, fileScheme)
	reference, isImage := strings.CutPrefix(arg, imageScheme)
	looks := f.Registry != nil && f.Registry.IsImage(arg)
	switch {
	case exists && (isFile || isImage || looks):
		return "", false, &fault.Problem{
			Exit: fault.ExitUsage, Subject: arg, Code: "usage", Remedy: "file-or-image",
			Err: errors.New("a file has this name, and it says something else too"),
		}
	case isFile && (path == "-" || strings.HasPrefix(path, "sha256:")):
		return "./" + path, false, nil
	case isFile:
		return path, false, nil
	case isImage && f.Registry == nil:
		return "", false, &fault.Problem{Exit: fault.ExitUsage, Subject: arg, Code: "usage", Err: errors.New("this program reads no registries"), Remedy: "hallmark"}
	case isImage && strings.HasPrefix(reference, "//"):
		return arg, true, nil // it is no scheme of URLs, which is reported as it was typed
	case isImage:
		return reference, true, nil
	}
	return arg, looks, nil
}

// HintImage adds the full form of an image name as a remedy, if a missing file looks
// like an image without its registry. There is no default registry.
func (f Finder) HintImage(err error) error {
	const usual = "docker.io/library/"
	p := fault.Of(err)
	if p == nil || p.Code != "unreadable" || f.Registry == nil {
		return err
	}
	if wrong := f.Registry.Misnamed(p.Subject); wrong != nil {
		return wrong
	}
	if f.Registry.IsImage(usual+p.Subject) && !isDigest(p.Subject) {
		return p.With("image", usual+p.Subject)
	}
	return err
}

// image returns the item of a reference.
func (f Finder) image(reference string) Item {
	if len(f.Bundles) > 0 || f.Detached != nil {
		return failed(reference, &fault.Problem{
			Exit: fault.ExitUsage, Subject: reference, Code: "usage", Remedy: "image-digest",
			Err: errors.New("the bundles of an image are in its registry"),
		})
	}
	return Item{Subject: image{Digest{Artifact: reference}, f.Registry}}
}

// Elsewhere returns the source of a bundle that is kept apart from its artifact.
func Elsewhere(name string, raw []byte) Source {
	p := parseSource(name, raw)
	p.Elsewhere = true
	return p
}

// Image returns the image with this SHA-256 as the artifact that a bundle signs: by its
// digest, or by a payload that must name it. Errors: *verify.Error, the payload names something else.
func Image(digest, payload []byte) (verify.Artifact, error) {
	if payload == nil {
		return verify.FromDigest(crypto.SHA256, digest), nil
	}
	if err := names(payload, digest); err != nil {
		return verify.Artifact{}, err
	}
	return verify.FromReader(bytes.NewReader(payload)), nil
}

// OfImage makes what was proved of a payload a result about the image.
func OfImage(r *verify.Result, digest []byte) { r.Hash, r.Digest = crypto.SHA256, digest }

// names checks that a payload is about the image with this digest. The signer of the
// payload has then signed the image.
func names(payload, digest []byte) error {
	p, err := simplesigning.Parse(payload)
	if err != nil {
		return &verify.Error{Step: verify.StepSignature, Code: verify.Malformed, Err: err}
	}
	if !bytes.Equal(p.Digest, digest) {
		return &verify.Error{
			Step: verify.StepSignature, Code: verify.ArtifactMismatch, Expected: "sha256:" + hex.EncodeToString(digest),
			Found: "sha256:" + hex.EncodeToString(p.Digest),
		}
	}
	return nil
}

// InRegistry reports whether a subject is an image in a registry.
func InRegistry(s Subject) bool {
	_, ok := s.(image)
	return ok
}
