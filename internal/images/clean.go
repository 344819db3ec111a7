// SPDX-License-Identifier: Apache-2.0

package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/policy"
)

// A Cleaning deletes attachments of images.
type Cleaning struct {
	Reach
	Type string // all of this predicate, artifact or media type, or [Signatures] or [Attestations]; empty: all
	Yes  bool   // do not ask
}

// Types that Cleaning takes besides those of predicates, artifacts and media.
const (
	Signatures   = policy.Signature
	Attestations = "attestation"
)

// plan lists what to delete from an image, and what has to stay.
type plan struct {
	image oci.Image
	all   []oci.Removable
	stay  []oci.Removable
}

// A cleanedImage is the JSON result of removing attachments from an image.
type cleanedImage struct {
	Image   string    `json:"image"`
	Deleted []hanging `json:"deleted"`
	Stayed  []stayed  `json:"stayed"`
}

type stayed struct {
	hanging
	Why string `json:"why"`
}

func (p plan) cleaned() cleanedImage {
	out := cleanedImage{p.image.String(), []hanging{}, []stayed{}}
	for _, r := range p.all {
		out.Deleted = append(out.Deleted, hanging(r.Attached))
	}
	for _, r := range p.stay {
		out.Stayed = append(out.Stayed, stayed{hanging(r.Attached), r.Blocked})
	}
	return out
}

// Clean lists attachments of an image and deletes them once the user has agreed.
func (f Cleaning) Clean(ctx context.Context, env cli.Environment, text string) error {
	r, err := f.Registry()
	if err != nil {
		return err
	}
	plans, err := f.plans(ctx, env, r, text)
	if err != nil {
		return err
	}
	total := 0
	for _, one := range plans {
		total += len(one.all)
	}
	if total == 0 && !env.JSON {
		env.Say("%s: nothing to delete", text)
		return nil
	}
	if total > 0 {
		if err := f.confirm(ctx, env, total); err != nil {
			return err
		}
	}
	for _, one := range plans {
		if err := r.Client.Remove(ctx, one.image, one.all); err != nil {
			return undeleted(one.image.String(), err)
		}
		if env.JSON {
			if err := env.PrintJSON(one.cleaned()); err != nil {
				return err
			}
		}
	}
	if !env.JSON {
		env.Say("%s: %d deleted", text, total)
	}
	return nil
}

// plans returns and prints the plans for an image and, if recursive, for its platforms.
func (f Cleaning) plans(ctx context.Context, env cli.Environment, r *lookup.Registry, text string) ([]plan, error) {
	images, err := r.Images(ctx, text, f.Recursive)
	if err != nil {
		return nil, err
	}
	var plans []plan
	for _, one := range images {
		all, err := r.Client.Removables(ctx, one)
		if err != nil {
			return nil, lookup.RegistryError(text, err)
		}
		one, err := f.show(env, plan{image: one, all: all})
		if err != nil {
			return nil, err
		}
		plans = append(plans, one)
	}
	return plans, nil
}

// show prints the attachments that p would delete, and returns a plan without those that
// have to stay.
func (f Cleaning) show(env cli.Environment, p plan) (plan, error) {
	going := plan{image: p.image}
	var text strings.Builder
	for _, r := range p.all {
		if !f.fits(r) {
			continue
		}
		word, note := "delete", ""
		if r.Blocked != "" {
			word, note = "stays ", ": "+r.Blocked
			going.stay = append(going.stay, r)
		} else {
			going.all = append(going.all, r)
		}
		fmt.Fprintf(&text, "  %s  %s  %s%s\n", word, fault.Printable(r.Digest), fault.Printable(cmp.Or(r.Tag, r.PredicateType, r.Type, "of no type")), fault.Printable(note))
	}
	if text.Len() == 0 || env.JSON {
		return going, nil
	}
	_, err := fmt.Fprintf(env.Stdout, "%s\n%s", fault.Printable(p.image.String()), text.String())
	return going, err
}

func (f Cleaning) fits(r oci.Removable) bool {
	switch f.Type {
	case "":
		return true
	case Signatures:
		return r.IsSignature()
	case Attestations:
		return r.IsAttestation()
	}
	return f.Type == r.Type || f.Type == r.PredicateType
}

func (f Cleaning) confirm(ctx context.Context, env cli.Environment, total int) error {
	if f.Yes {
		return nil
	}
	if _, ok := env.Terminal(); !ok {
		return &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Err: errors.New("nothing was deleted: there is no terminal to ask at"), Remedy: "clean-yes"}
	}
	return env.Confirm(ctx, fmt.Sprintf("delete these %d for good?", total), "--yes")
}

func undeleted(subject string, err error) error {
	if errors.Is(err, oci.ErrInUse) {
		return &fault.Problem{Exit: fault.ExitRefused, Subject: subject, Code: "deletion-refused", Err: err, Remedy: "clean-again"}
	}
	if errors.Is(err, oci.ErrUndeletable) {
		return &fault.Problem{
			Exit: fault.ExitRefused, Subject: subject, Code: "deletion-refused", Err: err,
			Remedy: "registry-operator",
		}
	}
	return lookup.RegistryError(subject, err)
}
