package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/policy"
)

// cleanFlags are those of clean.
type cleanFlags struct {
	registry registryFlags
	timeout  time.Duration
	kind     string
	yes      bool
}

// What clean --type takes besides types of predicates and artifacts.
const (
	allSignatures   = policy.Signature
	allAttestations = "attestation"
	allThere        = ""
)

func cleanCommand(env cli.Environment) *cobra.Command {
	var f cleanFlags
	cmd := &cobra.Command{
		Use:   "clean IMAGE",
		Short: "Take signatures and attestations off an image",
		Long: `Lists what hangs on IMAGE and would be deleted from its registry, and deletes it once that
is confirmed. The image itself stays, and so does whatever is a part of it, is an image, or
is used by another tag of the repository. --type may also be a media type. The entries in the transparency log stay in any case.`,
		Example: `  hallmark clean registry.example.com/app:v1 --type signature
  hallmark clean registry.example.com/app:v1 --type https://example.com/test-result --yes`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.kind != allSignatures && f.kind != allAttestations && f.kind != allThere {
				kind, err := cli.PredicateType(f.kind)
				if err != nil && !strings.Contains(f.kind, "/") { // or a media type
					return cli.UsageError(cmd, fmt.Errorf("%w; nor signature or attestation", err))
				}
				f.kind = cmp.Or(kind, f.kind)
			}
			return f.clean(cmd.Context(), env, lookup.ImageName(args[0]))
		},
	}
	f.registry.add(cmd)
	cli.AddTimeout(cmd, &f.timeout, time.Minute)
	cli.AddType(cmd, &f.kind, allAttestations)
	cmd.Flags().BoolVar(&f.yes, "yes", false, "delete without asking")
	return cmd
}

// plan is what is to be taken off an image.
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

func (f cleanFlags) clean(ctx context.Context, env cli.Environment, text string) error {
	r, err := f.registry.registry(f.timeout)
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

// plans are those of the image, and of its platforms if asked for. They are shown.
func (f cleanFlags) plans(ctx context.Context, env cli.Environment, r *lookup.Registry, text string) ([]plan, error) {
	image, p := r.Image(ctx, text, true)
	if p != nil {
		return nil, p
	}
	platforms, p := f.registry.platforms(ctx, r, image)
	if p != nil {
		return nil, p
	}
	var plans []plan
	for _, one := range append([]oci.Image{image}, platforms...) {
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

// show names what would go, and what of that can't.
func (f cleanFlags) show(env cli.Environment, p plan) (plan, error) {
	going := plan{image: p.image}
	var text strings.Builder
	for _, r := range p.all {
		if !f.fits(r) {
			continue
		}
		word, note := "goes ", ""
		if r.Blocked != "" {
			word, note = "stays", ": "+r.Blocked
			going.stay = append(going.stay, r)
		} else {
			going.all = append(going.all, r)
		}
		fmt.Fprintf(&text, "  %s  %s  %s%s\n", word, verdict.Printable(r.Digest), verdict.Printable(cmp.Or(r.Tag, r.PredicateType, r.Type, "of no type")), verdict.Printable(note))
	}
	if text.Len() == 0 || env.JSON {
		return going, nil
	}
	_, err := fmt.Fprintf(env.Stdout, "%s\n%s", verdict.Printable(p.image.String()), text.String())
	return going, err
}

func (f cleanFlags) fits(r oci.Removable) bool {
	switch f.kind {
	case allThere:
		return true
	case allSignatures:
		return r.IsSignature()
	case allAttestations:
		return r.IsAttestation()
	}
	return f.kind == r.Type || f.kind == r.PredicateType
}

func (f cleanFlags) confirm(ctx context.Context, env cli.Environment, total int) error {
	if f.yes {
		return nil
	}
	if _, ok := env.Terminal(); !ok {
		return &verdict.Problem{Exit: verdict.ExitUsage, Code: "usage", Err: errors.New("nothing was deleted: there is no terminal to ask at"), Try: "--yes, to delete what is listed"}
	}
	return env.Confirm(ctx, fmt.Sprintf("delete these %d for good?", total), "--yes")
}

func undeleted(subject string, err error) *verdict.Problem {
	if errors.Is(err, oci.ErrInUse) {
		return &verdict.Problem{Exit: verdict.ExitRefused, Subject: subject, Code: "deletion-refused", Err: err, Try: "hallmark clean again, which shows what is there now"}
	}
	if errors.Is(err, oci.ErrUndeletable) {
		return &verdict.Problem{
			Exit: verdict.ExitRefused, Subject: subject, Code: "deletion-refused", Err: err,
			Try: "its operator: distribution needs storage.delete.enabled, others have their own pages for it",
		}
	}
	return lookup.RegistryError(subject, err)
}
