// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/oci/layout"
	"github.com/hallmark-sign/hallmark/oci/transfer"
)

// A Transfer copies images between registries and directories, with their attachments.
type Transfer struct {
	Reach
	Quiet bool // print no progress, and no result of a complete transfer
}

// Copy copies the image source to target.
func (f Transfer) Copy(ctx context.Context, env cli.Environment, source, target string) error {
	r, err := f.Registry()
	if err != nil {
		return err
	}
	source = lookup.ImageName(source)
	image, err := r.Image(ctx, source, true)
	if err != nil {
		return err
	}
	from, err := lookup.ParseReference(source)
	if err != nil {
		return err
	}
	job := transfer.Job{From: r.Client.Repository(from), Image: image.Descriptor()}
	to, err := f.to(ctx, r, &job, target)
	if err != nil {
		return err
	}
	job.To = to.WithMount(r.Client.Repository(from))
	return f.run(ctx, env, source, lookup.ImageName(target), job)
}

// to returns the repository of target, once it is known to accept writes, and sets the tag.
func (f Transfer) to(ctx context.Context, r *lookup.Registry, job *transfer.Job, target string) (*oci.Repository, error) {
	to, err := lookup.ParseReference(lookup.ImageName(target))
	if err != nil {
		return nil, err
	}
	if digest := to.Digest(); digest != "" && digest != job.Image.Digest {
		return nil, &fault.Problem{
			Exit: fault.ExitUsage, Subject: target, Code: "usage", Err: errors.New("the target names another image by digest"),
			Expected: job.Image.Digest, Found: digest, Remedy: "image-name", Names: []string{to.Repository() + ":TAG"},
		}
	}
	job.Tag = to.Tag()
	place := r.Client.Repository(to)
	if err := place.CheckPut(ctx); err != nil {
		return nil, lookup.RegistryError(target, err)
	}
	return place, nil
}

// run runs a transfer, prints its progress and reports its result.
func (f Transfer) run(ctx context.Context, env cli.Environment, source, target string, job transfer.Job) error {
	job.Progress = new(transfer.Progress)
	stop := make(chan struct{})
	if !f.Quiet {
		go f.tell(env, source, job.Progress, stop)
	}
	report, err := transfer.Run(ctx, job)
	close(stop)
	if err != nil {
		return lookup.RegistryError(source, err)
	}
	if err := f.show(env, source, target, report); err != nil || report.Complete {
		return err
	}
	return &fault.Problem{
		Exit: fault.ExitUndecided, Subject: target, Code: "incomplete",
		Err: fmt.Errorf("%d missing, the first is %s: %s", len(report.Missing), report.Missing[0].What, report.Missing[0].Why),
	}
}

// Save writes images into an OCI image layout.
func (f Transfer) Save(ctx context.Context, env cli.Environment, images []string, dir string) error {
	r, err := f.Registry()
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() || strings.HasSuffix(dir, ".tar") {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: dir, Code: "usage", Err: errors.New("images are saved into a directory"), Remedy: "tar"}
	}
	var failed fault.Failures
	for _, one := range images {
		if err := f.saveOne(ctx, env, r, lookup.ImageName(one), dir); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return failed.OrNil()
}

func (f Transfer) saveOne(ctx context.Context, env cli.Environment, r *lookup.Registry, source, dir string) error {
	from, err := lookup.ParseReference(source)
	if err != nil {
		return err
	}
	image, err := r.Image(ctx, source, true)
	if err != nil {
		return err
	}
	to, err := layout.Create(ctx, dir, from.Repository())
	if errors.Is(err, context.Canceled) {
		return fault.Interrupted(dir)
	}
	if err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: dir, Code: "unwritable", Err: err, Remedy: "other-directory"}
	}
	defer to.Close()
	return f.run(ctx, env, source, dir, transfer.Job{From: r.Client.Repository(from), To: to, Image: image.Descriptor(), Tag: from.Tag()})
}

// Load copies an image of an OCI image layout, a directory or tar file, to target.
func (f Transfer) Load(ctx context.Context, env cli.Environment, dir, image, target string) error {
	r, err := f.Registry()
	if err != nil {
		return err
	}
	from, err := layout.Open(ctx, dir)
	if errors.Is(err, context.Canceled) {
		return fault.Interrupted(dir)
	}
	if err != nil {
		return fault.Unreadable(dir, err)
	}
	defer from.Close()
	chosen, err := from.Choose(image)
	if err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: dir, Code: "usage", Err: err, Remedy: "choose-image"}
	}
	job := transfer.Job{From: from, Image: oci.Descriptor{MediaType: chosen.MediaType, Size: chosen.Size, Digest: chosen.Digest}}
	to, err := f.to(ctx, r, &job, target)
	if err != nil {
		return err
	}
	job.To = to
	return f.run(ctx, env, dir, target, job)
}
