// SPDX-License-Identifier: Apache-2.0

package lookup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/oci"
)

// A Registry finds images and their bundles, as a find.Registry.
type Registry struct {
	Client *oci.Client
}

// IsImage reports whether an argument is a complete image name.
func (r *Registry) IsImage(text string) bool { return oci.LooksLikeImage(text) }

// Misnamed returns the error of an argument that looks like an image name and is
// invalid.
func (r *Registry) Misnamed(text string) error {
	if !oci.MeansImage(text) {
		return nil
	}
	_, err := ParseReference(text)
	return err
}

// Look finds an image and the bundles on it.
func (r *Registry) Look(ctx context.Context, reference string) (find.Evidence, error) {
	var e find.Evidence
	image, err := r.Image(ctx, reference, false)
	if err != nil {
		return e, err
	}
	e.Subject = find.Digest{Artifact: reference, Sum: image.Sum()}
	found, err := r.Client.Bundles(ctx, image)
	if err != nil {
		return e, RegistryError(reference, err)
	}
	if len(found) == 0 {
		return e, nil
	}
	known := Manifests(found)
	e.Sources = attached(image, found)
	e.More = func(ctx context.Context) ([]find.Source, error) {
		found, err := r.Client.LegacySignatures(ctx, image, known)
		if err != nil {
			return nil, RegistryError(reference, err)
		}
		return attached(image, found), nil
	}
	return e, nil
}

// Manifests returns the digests of the manifests of the signatures.
func Manifests(found []oci.Signature) []string {
	var all []string
	for _, f := range found {
		all = append(all, f.Manifest)
	}
	return all
}

// attached returns the sources of signatures. It releases their bytes.
func attached(image oci.Image, found []oci.Signature) []find.Source {
	all := make([]find.Source, len(found))
	for i, f := range found {
		all[i] = Attached(image, f)
		found[i].Bundle = nil // which may have a hundred megabytes
	}
	return all
}

// Attached returns the source of a signature that is attached to an image.
func Attached(image oci.Image, f oci.Signature) find.Source {
	name := image.Repository + "@" + f.Manifest
	if f.Err == nil && f.Detached == nil {
		s := find.Elsewhere(name, f.Bundle)
		s.Payload = f.Payload
		return s
	}
	s := find.Source{File: name, Name: name, Elsewhere: true, Payload: f.Payload}
	err := f.Err
	if err == nil {
		if s.Bundle, err = bundle.FromDetached(*f.Detached); err == nil {
			return s
		}
		err = fmt.Errorf("%w: %w", oci.ErrMalformed, err)
	}
	s.Err = RegistryError(name, err)
	return s
}

// Image returns the image that a reference names. It fetches the manifest of a
// digest only if whole is set.
func (r *Registry) Image(ctx context.Context, text string, whole bool) (oci.Image, error) {
	reference, err := ParseReference(text)
	if err != nil {
		return oci.Image{}, err
	}
	if image, ok := reference.Named(); ok && !whole {
		return image, nil
	}
	image, err := r.Client.Resolve(ctx, reference)
	if err != nil {
		return image, RegistryError(text, err)
	}
	return image, nil
}

func ParseReference(text string) (oci.Reference, error) {
	reference, err := oci.ParseReference(text)
	if err == nil {
		return reference, nil
	}
	p := &fault.Problem{Exit: fault.ExitUsage, Subject: text, Code: "usage", Err: err}
	if wrong := new(oci.NameError); errors.As(err, &wrong) && wrong.Try != "" {
		p = p.With("image-name", wrong.Try)
	}
	return reference, p
}

// Images returns the image that a reference names and, if recursive, those of its
// platforms after it.
func (r *Registry) Images(ctx context.Context, text string, recursive bool) ([]oci.Image, error) {
	image, err := r.Image(ctx, text, true)
	if err != nil {
		return nil, err
	}
	if !recursive {
		return []oci.Image{image}, nil
	}
	platforms, err := r.Client.Platforms(ctx, image)
	if err != nil {
		return nil, RegistryError(image.String(), err)
	}
	return append([]oci.Image{image}, platforms...), nil
}

// Expand returns args with the platforms of each image after it.
func (r *Registry) Expand(ctx context.Context, args []string) ([]string, error) {
	var all []string
	for _, arg := range args {
		text, isImage, err := find.Finder{Registry: r}.Subject(arg)
		if err != nil || !isImage {
			all = append(all, arg) // reported when it is judged
			continue
		}
		images, err := r.Images(ctx, text, true)
		if err != nil {
			return nil, err
		}
		for _, one := range images { // by digest, as the tag may move
			all = append(all, "oci:"+one.String())
		}
	}
	return all, nil
}

// remedies has the remedies for registries that could not be consulted.
var remedies = map[oci.Reason]string{
	oci.Denied: "registry-login", oci.Untrusted: "registry-cacert", oci.NoTLS: "registry-plain-http", oci.Credentials: "registry-credentials",
	oci.Busy: "registry-again", oci.Unavailable: "registry-again", oci.TimedOut: "registry-again",
}

// RegistryError returns the problem for an error of a registry. It distinguishes what could
// not be looked up from what was found and is invalid.
func RegistryError(subject string, err error) error {
	p := &fault.Problem{Exit: fault.ExitUndecided, Subject: subject, Code: "could-not-look", Err: err}
	u := new(oci.RegistryError)
	switch {
	case errors.Is(err, context.Canceled):
		return fault.Interrupted(subject)
	case errors.Is(err, oci.ErrMalformed):
		p.Exit, p.Code = fault.ExitUsage, "bundle-malformed"
	case errors.As(err, &u):
		p.Remedy = remedies[u.Reason]
	}
	return p
}

// ImageName returns an argument without its oci: prefix, which marks an image.
func ImageName(arg string) string {
	if strings.HasPrefix(arg, "oci://") {
		return arg // no scheme of ours
	}
	return strings.TrimPrefix(arg, "oci:")
}
