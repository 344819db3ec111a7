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

// Registry is where images are, as a find.Registry.
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
func (r *Registry) Look(ctx context.Context, reference string) (find.Held, error) {
	var held find.Held
	image, err := r.Image(ctx, reference, false)
	if err != nil {
		return held, err
	}
	held.Digest = image.Sum()
	found, err := r.Client.Bundles(ctx, image)
	if err != nil {
		return held, RegistryError(reference, err)
	}
	held.Bundles = hangAll(image, found)
	if len(found) == 0 {
		return held, nil
	}
	known := Manifests(found)
	held.More = func(ctx context.Context) ([]find.Hanging, error) {
		found, err := r.Client.LegacySignatures(ctx, image, known)
		if err != nil {
			return nil, RegistryError(reference, err)
		}
		return hangAll(image, found), nil
	}
	return held, nil
}

// Manifests returns the digests of the manifests of the signatures.
func Manifests(found []oci.Signature) []string {
	var all []string
	for _, f := range found {
		all = append(all, f.Manifest)
	}
	return all
}

func hangAll(image oci.Image, found []oci.Signature) []find.Hanging {
	var all []find.Hanging
	for _, f := range found {
		all = append(all, Attached(image, f))
	}
	return all
}

func Attached(image oci.Image, f oci.Signature) find.Hanging {
	h := find.Hanging{Name: image.Repository + "@" + f.Manifest, Raw: f.Bundle, Payload: f.Payload}
	err := f.Err
	if err == nil && f.Detached != nil {
		if h.Bundle, err = bundle.FromDetached(*f.Detached); err != nil {
			err = fmt.Errorf("%w: %w", oci.ErrMalformed, err)
		}
	}
	if err != nil {
		h.Err = RegistryError(h.Name, err)
	}
	return h
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
			all = append(all, arg) // told of when it is judged
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

// RegistryError tells what could not be looked at from what was seen and is no good.
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
