// SPDX-License-Identifier: Apache-2.0

package images

import (
	"cmp"
	"context"
	"fmt"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/oci"
)

// Tree lists what is attached to images.
func (f Reach) Tree(ctx context.Context, env cli.Environment, args []string) error {
	registry, err := f.Registry()
	if err != nil {
		return err
	}
	for _, arg := range args {
		text := lookup.ImageName(arg)
		images, err := registry.Images(ctx, text, f.Recursive)
		if err != nil {
			return err
		}
		for _, one := range images {
			attached, err := registry.Client.Attachments(ctx, one)
			if err != nil {
				return lookup.RegistryError(text, err)
			}
			if err := f.show(env, one, attached); err != nil {
				return err
			}
		}
	}
	return nil
}

// hanging is an attachment as JSON.
type hanging struct {
	Digest        string `json:"digest,omitempty"`
	Tag           string `json:"tag,omitempty"`
	Type          string `json:"type"`
	PredicateType string `json:"predicateType,omitempty"`
	Size          int64  `json:"size,omitempty"`
}

func (f Reach) show(env cli.Environment, image oci.Image, attached []oci.Attached) error {
	all := make([]hanging, 0, len(attached))
	for _, a := range attached {
		all = append(all, hanging(a))
	}
	if env.JSON {
		return env.PrintJSON(struct {
			Image    string    `json:"image"`
			Attached []hanging `json:"attached"`
		}{image.String(), all})
	}
	fmt.Fprintln(env.Stdout, fault.Printable(image.String()))
	for _, a := range all {
		fmt.Fprintf(env.Stdout, "  %s  %s\n", fault.Printable(cmp.Or(a.Digest, a.Tag)), fault.Printable(cmp.Or(a.PredicateType, a.Type, "of no type")))
	}
	if len(all) == 0 {
		fmt.Fprintln(env.Stdout, "  nothing hangs on it")
	}
	return nil
}
