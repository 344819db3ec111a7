package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/oci/layout"
	"github.com/hallmark-sign/hallmark/oci/transfer"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

func loadCommand(env environment) *cobra.Command {
	var f carryFlags
	var image string
	cmd := &cobra.Command{
		Use:   "load DIR|FILE.tar|BUNDLES TARGET",
		Short: "Put a saved image into a registry, or bundles on an image",
		Long: `Puts an image out of DIR, an OCI image layout that 'hallmark save' or another tool has
written, or a .tar of one, into a registry as TARGET, with everything that hangs on it.
If DIR has several, --image says which.

Of a file of bundles, as 'hallmark download' writes them, each is put on the image TARGET, whose
digest it must name; those that are there already are left alone. Where sign could not
reach the registry it is the rest of it.
Nothing is verified here.`,
		Example: `  hallmark load release/ mirror.example.com/app:v1 --image registry.example.com/app:v1
  hallmark load app.tar mirror.example.com/app:v1
  hallmark load app` + verdict.LinesSuffix + ` mirror.example.com/app:v1`,
		Args: usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			target := imageName(args[1])
			if holdsBundles(args[0]) {
				return f.loadBundles(cmd.Context(), env, args[0], target)
			}
			return f.load(cmd.Context(), env, args[0], image, target)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&image, "image", "", "`IMAGE` out of several: the name it was saved under, its tag or its digest")
	return cmd
}

// holdsBundles reports whether a file has bundles in it, by its name or because it
// begins as JSON does and no archive of an image does.
func holdsBundles(file string) bool {
	if strings.HasSuffix(file, verdict.Suffix) || strings.HasSuffix(file, verdict.LinesSuffix) {
		return true
	}
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	start := make([]byte, 512)
	n, _ := io.ReadFull(f, start)
	text := bytes.TrimSpace(bytes.TrimPrefix(start[:n], []byte("\ufeff")))
	return bytes.HasPrefix(text, []byte("{")) && !bytes.Contains(text, []byte("ustar"))
}

func (f carryFlags) load(ctx context.Context, env environment, dir, image, target string) error {
	r, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	from, err := layout.Open(ctx, dir)
	if errors.Is(err, context.Canceled) {
		return verdict.Interrupted(dir)
	}
	if err != nil {
		return unreadable(dir, err)
	}
	defer from.Close()
	chosen, err := from.Choose(image)
	if err != nil {
		return &problem{Exit: exitUsage, Subject: dir, Code: "usage", Err: err, Try: "--image IMAGE"}
	}
	job := transfer.Job{From: from, Image: oci.Descriptor{MediaType: chosen.MediaType, Size: chosen.Size, Digest: chosen.Digest}}
	to, err := f.to(ctx, r, &job, target)
	if err != nil {
		return err
	}
	job.To = to
	return f.run(ctx, env, dir, target, job)
}

// loadBundles puts bundles on an image. Either all of them name it, or none is put.
func (f carryFlags) loadBundles(ctx context.Context, env environment, file, target string) error {
	r, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	image, p := r.image(ctx, target, true)
	if p != nil {
		return p
	}
	all, err := attachments(file, image)
	if err != nil {
		return err
	}
	there, err := r.client.Bundles(ctx, image)
	if err != nil {
		return unseen(target, err)
	}
	for _, a := range all {
		if i := slices.IndexFunc(there, func(f oci.Found) bool { return bytes.Equal(f.Bundle, a.Bundle) }); i >= 0 {
			if err := env.tellLoaded(loadedBundle{file, image.String(), image.Repository + "@" + there[i].Manifest, false}); err != nil {
				return err
			}
			continue
		}
		manifest, err := r.client.Attach(ctx, image, a)
		if err != nil {
			return unseen(target, err)
		}
		if err := env.tellLoaded(loadedBundle{file, image.String(), image.Repository + "@" + manifest, true}); err != nil {
			return err
		}
	}
	return nil
}

// loadedBundle is a bundle that is on an image now, for machines.
type loadedBundle struct {
	File   string `json:"file"`
	Image  string `json:"image"`
	Bundle string `json:"bundle"`
	New    bool   `json:"new"` // it was not there before
}

func (e environment) tellLoaded(b loadedBundle) error {
	switch {
	case e.json:
		return e.printJSON(b)
	case !b.New:
		e.say("%s: is on %s already", b.File, b.Image)
		return nil
	}
	e.say("%s: put on %s\n  bundle    %s", b.File, b.Image, b.Bundle)
	return nil
}

// attachments are the bundles of a file, which must all be about the image.
func attachments(file string, image oci.Image) ([]oci.Attachment, error) {
	raw, err := readFile(file, bundle.MaxSize)
	if err != nil {
		return nil, err
	}
	var all []oci.Attachment
	for d := jsontext.NewDecoder(bytes.NewReader(raw)); ; {
		value, err := d.ReadValue()
		if errors.Is(err, io.EOF) && len(all) > 0 {
			return all, nil
		}
		var b *bundle.Bundle
		if err == nil {
			b, err = bundle.Parse(value)
		}
		if err != nil {
			return nil, unreadableBundle(file, err)
		}
		predicateType, err := statementAbout(b, image)
		if err != nil {
			return nil, &problem{Exit: exitRefused, Subject: file, Code: "subject-mismatch", Err: err, Expected: image.Digest, Try: "hallmark inspect " + file}
		}
		all = append(all, oci.Attachment{Bundle: bytes.Clone(value), PredicateType: predicateType, Created: time.Now()})
	}
}

// statementAbout gives the type of what a bundle says of the image.
func statementAbout(b *bundle.Bundle, image oci.Image) (predicateType string, err error) {
	if b.Envelope == nil {
		return "", errors.New("a signature over bytes, not a statement that names the image")
	}
	s, err := intoto.Parse(b.Envelope.Payload)
	if err != nil {
		return "", err
	}
	if !s.HasSubject("sha256", image.Sum()) {
		return "", errors.New("a statement about something else")
	}
	return s.PredicateType, nil
}

// keepAside writes a bundle into a file that could not be put on its image, as it is in
// the log already, and says how to go on.
func keepAside(one subject, raw []byte, cause error) error {
	p := unseen(one.name, cause)
	out := "sha256-" + hex.EncodeToString(one.image.Sum()) + verdict.LinesSuffix
	if err := durable.AddLine(out, raw, 0o644); err != nil {
		p.Err = fmt.Errorf("the signature is logged, is not on the image, and its bundle is lost: %w; %w", cause, err)
		return p
	}
	p.Err = fmt.Errorf("the signature is logged, is not on the image, and is kept in %s: %w", out, cause)
	p.Try = "hallmark load " + out + " " + one.image.String()
	if u := new(oci.Unseen); errors.As(cause, &u) && u.Reason == oci.Refused { // which it would do again
		p.Try = "hallmark verify " + one.image.Digest + " --bundle " + out
	}
	return p
}
