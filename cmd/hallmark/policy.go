// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/verify"
)

func policyCommand(env cli.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Say who is trusted, as a file",
		Long: `A policy names signers, and says how many of them must have signed what. docs/guides/policies.md
is its manual, docs/reference/policy.schema.json its schema for editors.`,
		Example: `  hallmark policy propose release.tar.gz.sigstore.json >policy.yaml
  hallmark policy explain policy.yaml
  hallmark verify --policy policy.yaml release.tar.gz`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(policyCheckCommand(env), policyTestCommand(env), policyExplainCommand(env), policyProposeCommand(env))
	return cmd
}

func policyCheckCommand(env cli.Environment) *cobra.Command {
	return &cobra.Command{
		Use:   "check POLICY...",
		Short: "Read policies, and warn of what is seldom meant",
		Long: `Reads each POLICY as verify would, its conditions included, and warns of what is allowed
but wider than most would want.`,
		Example: `  hallmark policy check policy.yaml`,
		Args:    cli.UsageArgs(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, files []string) error {
			var failed fault.Failures
			for _, file := range files {
				p, err := readPolicy(file)
				if err != nil {
					failed = append(failed, err)
					continue
				}
				if err := tellPolicy(env, file, p); err != nil {
					return err
				}
			}
			return failed.OrNil()
		},
	}
}

// tellPolicy prints that a policy is valid, what it accepts, and its warnings.
func tellPolicy(env cli.Environment, file string, p *policy.Policy) error {
	if env.JSON {
		return env.PrintJSON(struct {
			File     string   `json:"file"`
			Signers  int      `json:"signers"`
			Rules    int      `json:"rules"`
			Warnings []string `json:"warnings"`
		}{file, len(p.Signers), len(p.Rules), append([]string{}, p.Warnings()...)})
	}
	for _, warning := range p.Warnings() {
		env.Say("hallmark: %s: warning: %s", file, warning)
	}
	_, err := fmt.Fprintf(env.Stdout, "%s: good: signers %d, rules %d\n", fault.Printable(file), len(p.Signers), len(p.Rules))
	return err
}

func policyExplainCommand(env cli.Environment) *cobra.Command {
	return &cobra.Command{
		Use:     "explain POLICY",
		Short:   "Say in sentences what a policy accepts",
		Example: `  hallmark policy explain policy.yaml`,
		Args:    cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			if env.JSON {
				return env.PrintJSON(map[string]any{"file": args[0], "sentences": p.Describe()})
			}
			for _, line := range p.Describe() {
				fmt.Fprintln(env.Stdout, fault.Printable(line))
			}
			return nil
		},
	}
}

// policyCase is one line of a file of tests.
type policyCase struct {
	Artifact string `yaml:"artifact"` // path beside the file, sha256:HEX or an image
	Bundle   string `yaml:"bundle"`   // if it is not beside the artifact
	Expect   string `yaml:"expect"`   // verified, or the code of a refusal
}

// testFlags are those of policy test.
type testFlags struct {
	trust    trustFlags
	registry registryFlags
	timeout  time.Duration
}

func policyTestCommand(env cli.Environment) *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use:   "test POLICY CASES",
		Short: "Hold a policy to what it should accept and refuse",
		Long: `Verifies each case of CASES with POLICY, and compares the verdict with the one that is
expected. CASES is a YAML list; paths are relative to it, and images are images:

  - artifact: good.tar.gz
    expect: verified
  - artifact: good.tar.gz
    bundle: by-somebody-else.sigstore.json
    expect: identity-mismatch
  - artifact: registry.example.com/app:v1
    expect: verified`,
		Example: `  hallmark policy test policy.yaml policy-tests.yaml`,
		Args:    cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.testPolicy(cmd.Context(), env, args[0], args[1])
		},
	}
	f.trust.add(cmd, false)
	f.trust.addLogPolicy(cmd)
	f.registry.add(cmd)
	cli.AddTimeout(cmd, &f.timeout, time.Minute)
	return cmd
}

func (f testFlags) testPolicy(ctx context.Context, env cli.Environment, file, casesFile string) error {
	p, err := readPolicy(file)
	if err != nil {
		return err
	}
	cases, err := readCases(casesFile)
	if err != nil {
		return err
	}
	judge, err := f.trust.judge(env, p)
	if err != nil {
		return err
	}
	registry, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	var failed fault.Failures
	defer func() { env.Say("hallmark: %d cases, %d failed", len(cases), len(failed)) }()
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
				Err: fmt.Errorf("the verdict on %s is another", c.Artifact), Expected: c.Expect, Found: got,
			})
		case !env.JSON:
			fmt.Fprintf(env.Stdout, "case %d: %s: %s, as expected\n", i+1, fault.Printable(c.Artifact), got)
		}
	}
	return failed.OrNil()
}

// testedCase is a case and its verdict, for machines.
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
		if p := judge.Judge(ctx, target).Problem; p != nil {
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

// proposeFlags are those of policy propose.
type proposeFlags struct {
	trust    trustFlags
	registry registryFlags
	timeout  time.Duration
	keys     []string
}

func policyProposeCommand(env cli.Environment) *cobra.Command {
	var f proposeFlags
	cmd := &cobra.Command{
		Use:   "propose BUNDLE|IMAGE...",
		Short: "Write the tightest policy that bundles meet",
		Long: `Verifies each BUNDLE, whoever signed it and whatever its artifact, and prints the tightest
policy that all of them meet. Of an IMAGE it takes the bundles on it that verify, and
tells of the others. Read it before you trust it: a forger's bundle gives a policy that
trusts the forger, and anybody who may write there can put a bundle on an image.`,
		Example: `  hallmark policy propose release.tar.gz.sigstore.json >policy.yaml
  hallmark policy propose registry.example.com/app:v1 >policy.yaml`,
		Args: cli.UsageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.propose(cmd.Context(), env, args)
		},
	}
	f.trust.add(cmd, false)
	f.registry.add(cmd)
	cli.AddTimeout(cmd, &f.timeout, time.Minute)
	cmd.Flags().StringArrayVar(&f.keys, "key", nil, "public key `FILE` (PEM) of bundles that were made with a key; may be repeated")
	return cmd
}

func (f proposeFlags) propose(ctx context.Context, env cli.Environment, args []string) error {
	root, err := f.trust.Root(env)
	if err != nil {
		return err
	}
	verifier, err := verify.New(root)
	if err != nil {
		return err
	}
	accept := verify.Requirements{AnyIdentityUnsafe: true} // who it is is the question
	for _, file := range f.keys {
		key, err := cli.ReadPublicKey(file)
		if err != nil {
			return err
		}
		accept.Keys = append(accept.Keys, key)
	}
	registry, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	if args, err = f.registry.expand(ctx, registry, args); err != nil {
		return err
	}
	var results []*verify.Result
	for _, arg := range args {
		claims, err := registry.Claims(ctx, arg)
		if err != nil {
			return err
		}
		proved, err := provedOf(env, verifier, accept, arg, claims)
		if err != nil {
			return err
		}
		results = append(results, proved...)
	}
	text, err := policy.Propose(results)
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(map[string]string{"policy": string(text)})
	}
	_, err = env.Stdout.Write(text)
	return err
}

// provedOf verifies all bundles of a file, or those on an image that can be: at
// least one.
func provedOf(env cli.Environment, v *verify.Verifier, accept verify.Requirements, arg string, claims []lookup.Claim) ([]*verify.Result, error) {
	var results []*verify.Result
	var first error
	for _, c := range claims {
		result, err := c.Proved(v, accept)
		switch {
		case err == nil:
			results = append(results, result)
		case c.Image == nil:
			return nil, proposalRefused(env, arg, err)
		default:
			p := cli.ProblemOf(err)
			env.Say("hallmark: %s: left out: %s", c.Name, p.Code)
			if first == nil {
				first = proposalRefused(env, arg, err)
			}
			if p.Exit == fault.ExitUndecided {
				return nil, p // who knows what stands there
			}
		}
	}
	if len(results) == 0 {
		return nil, first
	}
	return results, nil
}

// proposalRefused adds a remedy to a refusal: the key, or another trusted root.
func proposalRefused(env cli.Environment, file string, err error) error {
	p := cli.About(file, err)
	switch {
	case p.Code == string(verify.KeyMismatch):
		p.Try = "--key FILE, with the public key that signed"
	case p.Code == string(verify.OtherInstance):
		p.Try = "--trusted-root FILE or --instance NAME, of the instance that signed"
	case p.Exit == fault.ExitRefused:
		p.Try = env.Command() + " inspect " + file
	}
	return p
}
