// SPDX-License-Identifier: Apache-2.0

package lookup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/verify"
)

// A Claim is a bundle that an argument names: one in a file, or one that is attached to an
// image.
type Claim struct {
	find.Source
	Image []byte // SHA-256 of the image; nil: the bundle is in a file
}

// Claims returns the bundles of a file, all of which must be well-formed, or those
// attached to an image, each with its error. There is at least one.
func (r *Registry) Claims(ctx context.Context, arg string) ([]Claim, error) {
	text, isImage, err := find.Finder{Registry: r}.Subject(arg)
	if err != nil {
		return nil, err
	}
	var all []Claim
	if !isImage {
		return claimsBeside(text)
	}
	held, err := r.Look(ctx, text)
	if err != nil {
		return nil, err
	}
	if held.More != nil {
		older, err := held.More(ctx)
		if err != nil {
			return nil, err
		}
		held.Sources = append(held.Sources, older...)
	}
	for _, s := range held.Sources {
		all = append(all, Claim{s, held.Subject.(find.Digest).Sum})
	}
	if len(all) == 0 {
		return nil, &fault.Problem{Exit: fault.ExitRefused, Subject: text, Code: "unsigned", Err: errors.New("the registry has the image, and no bundle on it")}
	}
	return all, nil
}

// claimsBeside returns the bundles in a file or, if it is an artifact, in the bundle files
// beside it.
func claimsBeside(file string) ([]Claim, error) {
	files := []string{file}
	bundles, err := find.ReadBundles(file)
	info, statErr := os.Stat(file)
	switch beside := find.Beside(file); {
	case err == nil:
	case len(beside) > 0:
		files = beside
	case statErr == nil && info.IsDir():
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: file, Code: "unreadable", Err: errors.New("is a directory"), Remedy: "bundles-in-directory", Names: []string{filepath.Join(file, "*"+find.Suffix)}}
	case statErr == nil && !find.IsBundle(file):
		return nil, &fault.Problem{Exit: fault.ExitRefused, Subject: file, Code: "unsigned", Err: fmt.Errorf("it is not a bundle, and there is no %s%s", file, find.Suffix)}
	default:
		return nil, err
	}
	var all []Claim
	for _, name := range files {
		if name != file {
			if bundles, err = find.ReadBundles(name); err != nil {
				return all, err
			}
		}
		for _, b := range bundles {
			all = append(all, Claim{Source: find.Source{Name: name, Bundle: b}})
		}
	}
	return all, nil
}

// Proved verifies a bundle: of its image, or in a file of the artifact that it names
// itself.
func (c Claim) Proved(v *verify.Verifier, accept verify.Requirements) (*verify.Result, error) {
	if c.Err != nil {
		return nil, c.Err
	}
	artifact, err := c.artifact()
	if err != nil {
		return nil, err
	}
	result, err := v.Verify(c.Bundle, artifact, accept)
	if err == nil && c.Payload != nil {
		find.OfImage(result, c.Image)
	}
	return result, err
}

func (c Claim) artifact() (verify.Artifact, error) {
	if c.Image == nil {
		return find.Claimed(c.Bundle)
	}
	return find.Image(c.Image, c.Payload)
}
