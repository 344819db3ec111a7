// SPDX-License-Identifier: Apache-2.0

package verifying

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/images"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/trusting"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/verify"
)

// A Test is a test of a policy by cases, each with the verdict that is expected.
type Test struct {
	Trust    trusting.Selection
	Registry images.Reach
}

// Run verifies each case of a file of cases with a policy, and prints the verdicts.
func (f Test) Run(ctx context.Context, env cli.Environment, file, casesFile string) error {
	p, err := readPolicy(file)
	if err != nil {
		return err
	}
	cases, err := readCases(casesFile)
	if err != nil {
		return err
	}
	judge, err := newJudge(env, f.Trust, p)
	if err != nil {
		return err
	}
	registry, err := f.Registry.Registry()
	if err != nil {
		return err
	}
	var failed fault.Failures
	defer func() { env.Say("%s, %d failed", cli.Counted(len(cases), "case", "cases"), len(failed)) }()
	for i, c := range cases {
		got, err := c.run(ctx, judge, registry, filepath.Dir(casesFile))
		if env.JSON && err == nil {
			err = env.PrintJSON(testedCase{i + 1, c.Artifact, c.Expect, got})
		}
		switch {
		case err != nil:
			failed = append(failed, fault.Unreadable(casesFile, fmt.Errorf("case %d: %w", i+1, err)))
		case got != c.Expect:
			failed = append(failed, &fault.Problem{
				Exit: fault.ExitRefused, Subject: fmt.Sprintf("%s, case %d", casesFile, i+1), Code: "policy-test-failed",
				Err: fmt.Errorf("the verdict on %s is not the expected one", c.Artifact), Expected: c.Expect, Found: got,
			})
		case !env.JSON:
			fmt.Fprintf(env.Stdout, "case %d: %s: %s, as expected\n", i+1, fault.Printable(c.Artifact), got)
		}
	}
	return failed.OrNil()
}

// A policyCase is one line of a file of tests.
type policyCase struct {
	Artifact string `yaml:"artifact"` // path beside the file, sha256:HEX or an image
	Bundle   string `yaml:"bundle"`   // if it is not beside the artifact
	Expect   string `yaml:"expect"`   // verified, or the code of a refusal
}

// A testedCase is a case and its verdict, as JSON.
type testedCase struct {
	Case     int    `json:"case"`
	Artifact string `json:"artifact"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

func readCases(file string) ([]policyCase, error) {
	raw, err := find.ReadFile(file, policy.MaxFile)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
		return nil, fault.Unreadable(file, errors.New("not UTF-8"))
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	var cases []policyCase
	if err := d.Decode(&cases); err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.Unreadable(file, err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fault.Unreadable(file, errors.New("a second document follows"))
	}
	if len(cases) == 0 {
		return nil, fault.Unreadable(file, errors.New("no case in it"))
	}
	return cases, nil
}

// run returns the code of the verdict.
func (c policyCase) run(ctx context.Context, judge *judge.Judge, registry *lookup.Registry, dir string) (string, error) {
	if c.Artifact == "" || c.Expect == "" {
		return "", errors.New("artifact and expect are needed")
	}
	if !slices.Contains(outcomes(), c.Expect) {
		return "", fmt.Errorf("expect: %q is neither verified nor a code of docs/reference/errors.md", c.Expect)
	}
	finder := find.Finder{Registry: registry}
	if c.Bundle != "" {
		finder.Bundles = []string{filepath.Join(dir, c.Bundle)}
	}
	artifact := c.Artifact
	if _, isImage, _ := finder.Subject(artifact); !isImage && !strings.HasPrefix(artifact, "sha256:") {
		artifact = filepath.Join(dir, artifact)
	}
	got := "verified"
	for target := range finder.Find(artifact) {
		if p := judge.Judge(ctx, target).Problem(); p != nil {
			got = p.Code
			break
		}
	}
	return got, nil
}

// outcomes returns the outcomes that a case may expect.
func outcomes() []string {
	all := []string{"verified", "unsigned", "could-not-look", "unreadable", "bundle-malformed"}
	for _, code := range verify.Codes() {
		all = append(all, string(code))
	}
	return all
}
