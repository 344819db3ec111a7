// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bytes"
	"context"
	"slices"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/oci"
)

// LoadBundles attaches the bundles of a file to an image. It attaches none unless all of
// them name the image.
func (f Transfer) LoadBundles(ctx context.Context, env cli.Environment, file, target string) error {
	r, err := f.Registry()
	if err != nil {
		return err
	}
	image, err := r.Image(ctx, target, true)
	if err != nil {
		return err
	}
	all, err := lookup.Attachments(file, image)
	if err != nil {
		return err
	}
	there, err := r.Client.Bundles(ctx, image)
	if err != nil {
		return lookup.RegistryError(target, err)
	}
	for _, a := range all {
		if i := slices.IndexFunc(there, func(f oci.Signature) bool { return bytes.Equal(f.Bundle, a.Bundle) }); i >= 0 {
			if err := tellLoaded(env, loadedBundle{file, image.String(), image.Repository + "@" + there[i].Manifest, false}); err != nil {
				return err
			}
			continue
		}
		manifest, err := r.Client.Attach(ctx, image, a)
		if err != nil {
			return lookup.RegistryError(target, err)
		}
		if err := tellLoaded(env, loadedBundle{file, image.String(), image.Repository + "@" + manifest, true}); err != nil {
			return err
		}
	}
	return nil
}

// loadedBundle is the JSON result of attaching one bundle.
type loadedBundle struct {
	File   string `json:"file"`
	Image  string `json:"image"`
	Bundle string `json:"bundle"`
	New    bool   `json:"new"` // it was not there before
}

func tellLoaded(env cli.Environment, b loadedBundle) error {
	switch {
	case env.JSON:
		return env.PrintJSON(b)
	case !b.New:
		env.Say("%s: is on %s already", b.File, b.Image)
		return nil
	}
	env.Say("%s: put on %s\n  bundle    %s", b.File, b.Image, b.Bundle)
	return nil
}
