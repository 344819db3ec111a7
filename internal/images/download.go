// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/oci"
)

// A Download writes the bundles on an image into a file.
type Download struct {
	Reach
	Output    string // file; "-": standard output; empty: named after the image
	Type      string // only bundles with this predicate type, or signatures; empty: all
	Predicate bool   // write predicates to standard output instead
}

// Run downloads the bundles on an image. It verifies nothing.
func (f Download) Run(ctx context.Context, env cli.Environment, text string) error {
	r, err := f.Registry()
	if err != nil {
		return err
	}
	image, err := r.Image(ctx, text, false)
	if err != nil {
		return err
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
		return &fault.Problem{Exit: fault.ExitRefused, Subject: text, Code: "unsigned", Err: errors.New("no such bundle hangs on it"), Remedy: "tree"}
	}
	return failed.OrNil()
}

// lines returns a line for each attachment of the chosen type.
func (f Download) lines(image oci.Image, found []oci.Signature) (lines []string, failed fault.Failures) {
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

// line returns the line for an attachment, or "" if it has another type.
func (f Download) line(image oci.Image, one oci.Signature) (string, error) {
	h := lookup.Attached(image, one)
	if h.Err != nil {
		return "", h.Err
	}
	raw, b, err := one.Bundle, h.Bundle, error(nil)
	kind, predicate := lookup.Content(b)
	if f.Type != "" && f.Type != kind {
		return "", nil
	}
	if f.Predicate {
		return string(predicate), nil
	}
	if raw == nil { // of cosign 1 or 2
		if raw, err = b.Marshal(); err == nil && h.Payload != nil {
			err = errors.New("it signs a payload that names the image, not the image")
		}
		if err != nil {
			return "", &fault.Problem{
				Exit: fault.ExitUsage, Subject: h.Name, Code: "legacy-form",
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

func (f Download) write(env cli.Environment, image oci.Image, lines []string) error {
	all := strings.Join(lines, "")
	if f.Predicate || f.Output == "-" {
		if _, err := fmt.Fprint(env.Stdout, all); err != nil {
			return err
		}
		env.Say("%s: nothing of this has been verified; hallmark verify does that", image)
		return nil
	}
	out := f.Output
	if out == "" {
		out = fmt.Sprintf("%s-%.19s%s", path.Base(image.Repository), image.Descriptor().FallbackTag(), find.LinesSuffix)
	}
	if len(lines) > 1 && !strings.HasSuffix(out, ".jsonl") {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: out, Code: "usage", Err: fmt.Errorf("%d bundles go into a file whose name ends in .jsonl", len(lines)), Remedy: "output-lines", Names: []string{out + ".jsonl"}}
	}
	if _, err := os.Stat(out); err == nil {
		env.Say("%s: replaced", out)
	}
	if err := durable.WriteFile(out, []byte(all), 0o644); err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: out, Code: "unwritable", Err: err, Remedy: "other-output"}
	}
	if env.JSON {
		return env.PrintJSON(map[string]any{"image": image.String(), "file": out, "bundles": len(lines)})
	}
	env.Say("%s: %s, not verified", out, cli.Counted(len(lines), "bundle", "bundles"))
	env.Say("  try       hallmark verify %s --bundle %s --identity … --issuer …", image.Digest, out)
	return nil
}
