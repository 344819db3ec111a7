package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/oci/transfer"
)

// carryFlags are those of the verbs that carry images from one place to another.
type carryFlags struct {
	registry registryFlags
	timeout  time.Duration
	quiet    bool
}

func (f *carryFlags) add(cmd *cobra.Command) {
	f.registry.reach(cmd)
	cli.AddTimeout(cmd, &f.timeout, 2*time.Minute)
	cli.AddQuiet(cmd, &f.quiet)
}

func copyCommand(env cli.Environment) *cobra.Command {
	var f carryFlags
	cmd := &cobra.Command{
		Use:   "copy SOURCE TARGET",
		Short: "Copy an image with everything that hangs on it",
		Long: `Copies the image SOURCE, which is REGISTRY/REPO:TAG or REGISTRY/REPO@sha256:HEX, to TARGET,
in the same registry or another: every platform, and the signatures, attestations and
whatever else hangs on any of them, those of cosign 1 and 2 as well. Digests stay what
they are, so all signatures hold. Nothing is verified: 'hallmark verify' does that.

What the target has is not sent: a copy that was cut short goes on when it is begun
again. The tag is written last, and only if nothing is missing. At the end the target
is asked for all of it. Exit status 3: something could not be read or written.`,
		Example: `  hallmark copy registry.example.com/app:v1 mirror.example.com/app:v1
  hallmark copy --json registry.example.com/app@sha256:9f86… mirror.example.com/app:v1`,
		Args: cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.copy(cmd.Context(), env, args[0], args[1])
		},
	}
	f.add(cmd)
	return cmd
}

func (f carryFlags) copy(ctx context.Context, env cli.Environment, source, target string) error {
	r, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	source = lookup.ImageName(source)
	image, p := r.Image(ctx, source, true)
	if p != nil {
		return p
	}
	from, p := lookup.ParseReference(source)
	if p != nil {
		return p
	}
	job := transfer.Job{From: r.Client.Repository(from), Image: image.Descriptor()}
	to, err := f.to(ctx, r, &job, target)
	if err != nil {
		return err
	}
	job.To = to.WithMount(r.Client.Repository(from))
	return f.run(ctx, env, source, lookup.ImageName(target), job)
}

// to is the repository that an image goes to, which may be written to, and under
// which tag.
func (f carryFlags) to(ctx context.Context, r *lookup.Registry, job *transfer.Job, target string) (*oci.Repository, error) {
	to, p := lookup.ParseReference(lookup.ImageName(target))
	if p != nil {
		return nil, p
	}
	if digest := to.Digest(); digest != "" && digest != job.Image.Digest {
		return nil, &verdict.Problem{
			Exit: verdict.ExitUsage, Subject: target, Code: "usage", Err: errors.New("the target names another image by digest"),
			Expected: job.Image.Digest, Found: digest, Try: to.Repository() + ":TAG",
		}
	}
	job.Tag = to.Tag()
	place := r.Client.Repository(to)
	if err := place.CheckPut(ctx); err != nil {
		return nil, lookup.RegistryError(target, err)
	}
	return place, nil
}

// run carries an image, tells how far it is, and reports what came of it.
func (f carryFlags) run(ctx context.Context, env cli.Environment, source, target string, job transfer.Job) error {
	job.Progress = new(transfer.Progress)
	stop := make(chan struct{})
	if !f.quiet {
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
	return &verdict.Problem{
		Exit: verdict.ExitUndecided, Subject: target, Code: "incomplete", Try: "again: what is there is not sent again",
		Err: fmt.Errorf("%d missing, the first is %s: %s", len(report.Missing), report.Missing[0].What, report.Missing[0].Why),
	}
}

// tellEvery is how often it is told how far a transfer is.
const tellEvery = 5 * time.Second

// tell says how far it is, until stop.
func (f carryFlags) tell(env cli.Environment, source string, p *transfer.Progress, stop <-chan struct{}) {
	ticker := time.NewTicker(tellEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if p.OfBlobs.Load() == 0 {
				env.Say("%s: looking at what there is", source)
				continue
			}
			env.Say("%s: %d of %d blobs, %s of %s", source, p.Blobs.Load(), p.OfBlobs.Load(), amount(p.Bytes.Load()), amount(p.OfBytes.Load()))
		case <-stop:
			return
		}
	}
}

// amount is a number of bytes for people.
func amount(n int64) string {
	for _, unit := range []struct {
		name string
		is   int64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if n >= unit.is {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(unit.is), unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// maxNotes is how many lines of a kind a report has; --json has all.
const maxNotes = 20

func (f carryFlags) show(env cli.Environment, source, target string, r *transfer.Report) error {
	if f.quiet && r.Complete {
		return nil
	}
	if env.JSON {
		return env.PrintJSON(struct {
			Source string `json:"source"`
			Target string `json:"target"`
			*transfer.Report
		}{source, target, r})
	}
	var a cli.Table
	fmt.Fprintf(&a, "%s to %s\n", verdict.Printable(source), verdict.Printable(target))
	a.Line("digest", "%s", r.Digest)
	a.Line("platforms", "%d", r.Platforms)
	a.Line("manifests", "%d, %d of them attachments", r.Manifests, r.Attachments)
	a.Line("blobs", "%d: %s sent, %s there before", r.Blobs, amount(r.Sent), amount(r.Skipped))
	for _, notes := range []struct {
		name string
		all  []transfer.Note
	}{{"elsewhere", r.Elsewhere}, {"stray", r.Strays}, {"missing", r.Missing}} {
		for _, n := range notes.all[:min(len(notes.all), maxNotes)] {
			a.Line(notes.name, "%s: %s", n.What, n.Why)
		}
		if rest := len(notes.all) - maxNotes; rest > 0 {
			a.Line(notes.name, "and %d more, see --json", rest)
		}
	}
	if r.Complete {
		a.Line("complete", "the target was asked for all of it, and has it")
	}
	_, err := fmt.Fprint(env.Stdout, a.String())
	return err
}
