package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/policy"
)

// downloadFlags are those of download.
type downloadFlags struct {
	registry     registryFlags
	timeout      time.Duration
	output, kind string
	predicate    bool
}

func downloadCommand(env cli.Environment) *cobra.Command {
	var f downloadFlags
	cmd := &cobra.Command{
		Use:   "download IMAGE",
		Short: "Write the bundles that hang on an image into a file",
		Long: `Writes the bundles that hang on IMAGE into a file, one a line, with which it is verified
without its registry: 'hallmark verify sha256:HEX --bundle FILE'. 'hallmark load FILE IMAGE'
puts them on an image again. Nothing is verified here.`,
		Example: `  hallmark download registry.example.com/app:v1
  hallmark download registry.example.com/app:v1 --type spdx --print-predicate >sbom.json`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.kind != "" && f.kind != policy.Signature {
				kind, err := cli.PredicateType(f.kind)
				if err != nil {
					return cli.UsageError(cmd, err)
				}
				f.kind = kind
			}
			return f.download(cmd.Context(), env, lookup.ImageName(args[0]))
		},
	}
	f.registry.reach(cmd)
	cli.AddTimeout(cmd, &f.timeout, time.Minute)
	cmd.Flags().StringVar(&f.output, "output", "", "`FILE` for the bundles, - for standard output (default: REPO-sha256-HEX"+verdict.LinesSuffix+")")
	cli.AddType(cmd, &f.kind)
	cmd.Flags().BoolVar(&f.predicate, "print-predicate", false, "print what is attested instead, one predicate a line, unverified")
	cmd.MarkFlagsMutuallyExclusive("print-predicate", "output")
	return cmd
}

func (f downloadFlags) download(ctx context.Context, env cli.Environment, text string) error {
	r, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	image, p := r.Image(ctx, text, false)
	if p != nil {
		return p
	}
	found, err := r.Client.Bundles(ctx, image)
	if err != nil {
		return lookup.RegistryError(text, err)
	}
	lines, failed := f.lines(image, found)
	if len(lines) == 0 && len(found) > 0 {
		older, err := r.Client.LegacySignatures(ctx, image, lookup.Manifests(found))
		if err != nil {
			return lookup.RegistryError(text, err)
		}
		more, also := f.lines(image, older)
		lines, failed = more, append(failed, also...)
	}
	switch {
	case len(lines) > 0:
		if err := f.write(env, image, lines); err != nil {
			return err
		}
	case len(failed) == 0:
		return &verdict.Problem{Exit: verdict.ExitRefused, Subject: text, Code: "unsigned", Err: errors.New("no such bundle hangs on it"), Try: env.Command() + " tree " + text}
	}
	return failed.OrNil()
}

// lines are what is written of what hangs on the image.
func (f downloadFlags) lines(image oci.Image, found []oci.Signature) (lines []string, failed verdict.Failures) {
	for _, one := range found {
		switch line, err := f.line(image, one); {
		case err != nil:
			failed = append(failed, err)
		case line != "":
			lines = append(lines, line+"\n")
		}
	}
	return lines, failed
}

// line is what is written of something that hangs on the image; nothing of what is
// of another type.
func (f downloadFlags) line(image oci.Image, one oci.Signature) (string, error) {
	h := lookup.Attached(image, one)
	if h.Err != nil {
		return "", h.Err
	}
	raw, b, err := h.Raw, h.Bundle, error(nil)
	if b == nil {
		b, err = bundle.Parse(raw)
	}
	if err != nil {
		return "", lookup.UnreadableBundle(h.Name, err)
	}
	kind, predicate := lookup.Content(b)
	if f.kind != "" && f.kind != kind {
		return "", nil
	}
	if f.predicate {
		return string(predicate), nil
	}
	if raw == nil { // of cosign 1 or 2
		if raw, err = b.Marshal(); err == nil && h.Payload != nil {
			err = errors.New("it signs a payload that names the image, not the image")
		}
		if err != nil {
			return "", &verdict.Problem{
				Exit: verdict.ExitUsage, Subject: h.Name, Code: "legacy-form", Try: "hallmark save IMAGE DIR, which takes it as it is",
				Err: fmt.Errorf("a signature in the form of cosign 1 and 2, which was not written: %w", err),
			}
		}
	}
	value := jsontext.Value(bytes.Clone(raw))
	if err := value.Compact(); err != nil {
		return "", lookup.UnreadableBundle(h.Name, err)
	}
	return string(value), nil
}

func (f downloadFlags) write(env cli.Environment, image oci.Image, lines []string) error {
	all := strings.Join(lines, "")
	if f.predicate || f.output == "-" {
		if _, err := fmt.Fprint(env.Stdout, all); err != nil {
			return err
		}
		env.Say("%s: nothing of this has been verified; hallmark verify does that", image)
		return nil
	}
	out := f.output
	if out == "" {
		out = fmt.Sprintf("%s-%.19s%s", path.Base(image.Repository), image.Descriptor().FallbackTag(), verdict.LinesSuffix)
	}
	if len(lines) > 1 && !strings.HasSuffix(out, ".jsonl") {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: out, Code: "usage", Err: fmt.Errorf("%d bundles go into a file whose name ends in .jsonl", len(lines)), Try: "--output " + out + ".jsonl"}
	}
	if _, err := os.Stat(out); err == nil {
		env.Say("%s: replaced", out)
	}
	if err := durable.WriteFile(out, []byte(all), 0o644); err != nil {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: out, Code: "unwritable", Err: err, Try: "--output FILE"}
	}
	if env.JSON {
		return env.PrintJSON(map[string]any{"image": image.String(), "file": out, "bundles": len(lines)})
	}
	env.Say("%s: %s, not verified", out, cli.Counted(len(lines), "bundle", "bundles"))
	env.Say("  try       hallmark verify %s --bundle %s --identity … --issuer …", image.Digest, out)
	return nil
}
