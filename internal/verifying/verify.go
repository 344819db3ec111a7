// SPDX-License-Identifier: Apache-2.0

package verifying

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/images"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/trusting"
	"github.com/hallmark-sign/hallmark/policy"
)

// A Verification holds the settings of a verification: bundles and policy.
type Verification struct {
	Trust    trusting.Selection
	Accept   Acceptance
	Bundles  []string // files; empty: beside the artifacts
	Detached Detached // in place of a bundle
	Registry images.Reach
	Evidence string        // URL of an evidence store; empty: none is asked
	Timeout  time.Duration // of a registry or an evidence store
	Explain  bool          // show what each step saw
	Quiet    bool          // print only what went wrong
}

// Check reports what is wrong with the command line, before anything is read.
func (f Verification) Check(files []string) error {
	if err := f.Accept.check(); err != nil {
		return err
	}
	if err := f.Detached.check(f.Bundles); err != nil {
		return err
	}
	elsewhere := len(f.Bundles) > 0 || f.Detached.given()
	if f.Detached.given() && find.Several(files) {
		return errors.New("a detached signature goes with one FILE")
	}
	for _, file := range files {
		if _, err := os.Stat(file); !elsewhere && f.Evidence == "" && (file == "-" || err != nil && strings.HasPrefix(file, "sha256:")) {
			return fmt.Errorf("%s needs --bundle or --evidence", file)
		}
	}
	return nil
}

// Judge returns a judge with the policy that was selected.
func (f Verification) Judge(env cli.Environment) (*judge.Judge, error) {
	p, err := f.Accept.read()
	if err != nil {
		return nil, err
	}
	return newJudge(env, f.Trust, p)
}

// newJudge returns a judge with a policy and the trusted root that f selects.
func newJudge(env cli.Environment, f trusting.Selection, p *policy.Policy) (*judge.Judge, error) {
	verifier, facts, err := f.Verifier(env)
	if err != nil {
		return nil, err
	}
	return &judge.Judge{Verifier: verifier, Policy: p, Facts: facts, Stdin: env.Stdin}, nil
}

// Run prints a verdict on each file, and returns the worst.
func (f Verification) Run(ctx context.Context, env cli.Environment, files []string) error {
	judge, err := f.Judge(env)
	if err != nil {
		return err
	}
	judge.Explain = f.Explain
	if store, err := f.Trust.EvidenceStore(env, f.Evidence, f.Timeout); err != nil {
		return err
	} else if store != nil {
		judge.Store = store
	}
	f.Registry.Timeout = f.Timeout
	registry, err := f.Registry.Registry()
	if err != nil {
		return err
	}
	if files, err = f.Registry.Expand(ctx, registry, files); err != nil {
		return err
	}
	finder := find.Finder{Bundles: f.Bundles, Registry: registry}
	if finder.Detached, err = f.Detached.bundle(); err != nil {
		return err
	}
	out := printer{Verification: f, env: env, many: find.Several(files) || find.IsChecksums(files[0])}
	if out.many {
		env.CollectLess()
	}
	if err := judge.All(ctx, finder.All(files), out.print); err != nil {
		return err
	}
	return out.end()
}
