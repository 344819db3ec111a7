// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"github.com/hallmark-sign/hallmark/oci"
)

// How often the shared tags of cosign 1 and 2 are written, and how long to wait
// before they are read again: longer than other clients need from reading one
// to writing it.
const (
	publishTries = 5
	settling     = 300 * time.Millisecond
)

// publish writes the tags if nothing is missing, that of the image last.
// Registries have no atomic update of a tag: another client may have replaced
// ours at the same time, so each tag is read again until it is stable.
func (c *carrier) publish(ctx context.Context) {
	for try := 0; len(c.report.Missing) == 0; try++ {
		written := c.publishLegacies(ctx)
		if written == "" {
			break
		}
		if try == publishTries {
			c.report.Missing = append(c.report.Missing, Note{written, "other clients keep writing this tag"})
		}
		if !wait(ctx, settling+rand.N(settling)) {
			return
		}
	}
	if len(c.report.Missing) > 0 {
		return
	}
	if err := c.To.Publish(ctx, c.Tag, c.Image, c.survey.things[c.Image.Digest].raw); err != nil {
		c.report.Missing = append(c.report.Missing, Note{c.Tag, err.Error()})
	}
}

// publishLegacies writes those tags of cosign 1 and 2 that are not yet as
// wanted and returns the last of them.
func (c *carrier) publishLegacies(ctx context.Context) (written string) {
	for _, t := range c.survey.order {
		for _, one := range t.tags {
			stays, err := c.stays(ctx, one)
			if err == nil && !stays {
				written = one.name
				err = c.To.Publish(ctx, one.name, one.Descriptor, c.survey.things[one.Digest].raw)
			}
			if err != nil {
				c.report.Missing = append(c.report.Missing, Note{one.name, err.Error()})
				return ""
			}
		}
	}
	return written
}

// stays reports whether the target's manifest under a tag of cosign 1 and 2 has
// all signatures of the source. Other content of the target must not be lost.
func (c *carrier) stays(ctx context.Context, one tag) (bool, error) {
	standing, ok, err := c.To.Tagged(ctx, one.name)
	if err != nil || !ok || standing.Digest == one.Digest {
		return ok, err
	}
	raw, err := c.To.Manifest(ctx, standing)
	if err != nil {
		return false, err
	}
	old, err := oci.ParseContents(standing, raw)
	if err != nil {
		return false, err
	}
	ours := c.survey.things[one.Digest].contents.Layers
	switch {
	case len(old.Layers) == 0 || len(ours) == 0:
		return false, errors.New("the target has another manifest under this tag, and not both are lists of signatures")
	case covers(old.Layers, ours):
		c.kept[one.Digest] = true
		return true, nil
	case !covers(ours, old.Layers):
		return false, errors.New("the target has another manifest under this tag, with a signature that the source does not have")
	}
	return false, nil
}

// keepReplaced marks the manifests of tags that another client has replaced since
// they were written, with all of their signatures.
func (c *carrier) keepReplaced(ctx context.Context, tags []tag, listed map[string]bool) {
	for _, one := range tags {
		if listed[one.Digest] {
			continue
		}
		if stays, err := c.stays(ctx, one); err == nil && stays {
			c.kept[one.Digest] = true
		}
	}
}

// covers reports whether all layers of a manifest are in another.
func covers(all, some []oci.Descriptor) bool {
	return !slices.ContainsFunc(some, func(layer oci.Descriptor) bool {
		return !slices.ContainsFunc(all, func(d oci.Descriptor) bool { return reflect.DeepEqual(d, layer) })
	})
}
