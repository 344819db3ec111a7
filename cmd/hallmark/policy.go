package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/verify"
)

func policyCommand(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Say who is trusted, as a file",
		Long: `A policy names signers, and says how many of them must have signed what. docs/policy.md
is its manual, docs/policy.schema.json its schema for editors.`,
		Example: `  hallmark policy propose release.tar.gz.sigstore.json >policy.yaml
  hallmark policy explain policy.yaml
  hallmark verify --policy policy.yaml release.tar.gz`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(policyCheckCommand(env), policyTestCommand(env), policyExplainCommand(env), policyProposeCommand(env))
	return cmd
}

func policyCheckCommand(env environment) *cobra.Command {
	return &cobra.Command{
		Use:   "check POLICY...",
		Short: "Read policies, and warn of what is seldom meant",
		Long: `Reads each POLICY as verify would, its conditions included, and warns of what is allowed
but wider than most would want.`,
		Example: `  hallmark policy check policy.yaml`,
		Args:    usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, files []string) error {
			var failed failures
			for _, file := range files {
				p, err := readPolicy(file)
				if err != nil {
					failed = append(failed, err)
					continue
				}
				fmt.Fprintf(env.stdout, "%s: good: signers %d, rules %d\n", printable(file), len(p.Signers), len(p.Rules))
				for _, warning := range p.Warnings() {
					env.say("hallmark: %s: warning: %s", printable(file), printable(warning))
				}
			}
			return failed.orNil()
		},
	}
}

func policyExplainCommand(env environment) *cobra.Command {
	return &cobra.Command{
		Use:     "explain POLICY",
		Short:   "Say in sentences what a policy accepts",
		Example: `  hallmark policy explain policy.yaml`,
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			for _, line := range p.Describe() {
				fmt.Fprintln(env.stdout, printable(line))
			}
			return nil
		},
	}
}

// policyCase is one line of a file of tests.
type policyCase struct {
	Artifact string `yaml:"artifact"` // path beside the file, or sha256:HEX
	Bundle   string `yaml:"bundle"`   // if it is not beside the artifact
	Expect   string `yaml:"expect"`   // verified, or the code of a refusal
}

func policyTestCommand(env environment) *cobra.Command {
	var f trustFlags
	cmd := &cobra.Command{
		Use:   "test POLICY CASES",
		Short: "Hold a policy to what it should accept and refuse",
		Long: `Verifies each case of CASES with POLICY, and compares the verdict with the one that is
expected. CASES is a YAML list; paths are relative to it:

  - artifact: good.tar.gz
    expect: verified
  - artifact: good.tar.gz
    bundle: by-somebody-else.sigstore.json
    expect: identity-mismatch`,
		Example: `  hallmark policy test policy.yaml policy-tests.yaml`,
		Args:    usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.testPolicy(cmd.Context(), env, args[0], args[1])
		},
	}
	f.add(cmd, false)
	return cmd
}

func (f trustFlags) testPolicy(ctx context.Context, env environment, file, casesFile string) error {
	p, err := readPolicy(file)
	if err != nil {
		return err
	}
	cases, err := readCases(casesFile)
	if err != nil {
		return err
	}
	judge, err := f.judge(env, p)
	if err != nil {
		return err
	}
	var failed failures
	defer func() { env.say("hallmark: %d cases, %d failed", len(cases), len(failed)) }()
	for i, c := range cases {
		got, err := c.run(ctx, judge, filepath.Dir(casesFile))
		switch {
		case err != nil:
			failed = append(failed, unreadable(casesFile, fmt.Errorf("case %d: %w", i+1, err)))
		case got != c.Expect:
			failed = append(failed, &problem{
				Exit: exitRefused, Subject: fmt.Sprintf("%s, case %d", casesFile, i+1), Code: "policy-test-failed",
				Err: fmt.Errorf("the verdict on %s is another", c.Artifact), Expected: c.Expect, Found: got,
			})
		default:
			fmt.Fprintf(env.stdout, "case %d: %s: %s, as expected\n", i+1, printable(c.Artifact), got)
		}
	}
	return failed.orNil()
}

func readCases(file string) ([]policyCase, error) {
	raw, err := readFile(file, policy.MaxFile)
	if err != nil {
		return nil, err
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	var cases []policyCase
	if err := d.Decode(&cases); err != nil && !errors.Is(err, io.EOF) {
		return nil, unreadable(file, err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, unreadable(file, errors.New("a second document follows"))
	}
	if len(cases) == 0 {
		return nil, unreadable(file, errors.New("no case in it"))
	}
	return cases, nil
}

// run gives the code of the verdict.
func (c policyCase) run(ctx context.Context, judge *verdict.Judge, dir string) (string, error) {
	if c.Artifact == "" || c.Expect == "" {
		return "", errors.New("artifact and expect are needed")
	}
	if !slices.Contains(outcomes(), c.Expect) {
		return "", fmt.Errorf("expect: %q is neither verified nor a code of docs/errors.md", c.Expect)
	}
	var finder verdict.Finder
	if c.Bundle != "" {
		finder.Bundles = []string{filepath.Join(dir, c.Bundle)}
	}
	artifact := c.Artifact
	if len(artifact) < 7 || artifact[:7] != "sha256:" {
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

// outcomes are what a case may expect.
func outcomes() []string {
	all := []string{"verified", "unsigned", "could-not-look", "unreadable", "bundle-malformed"}
	for _, code := range verify.Codes() {
		all = append(all, string(code))
	}
	return all
}

func policyProposeCommand(env environment) *cobra.Command {
	var f trustFlags
	var keyFiles []string
	cmd := &cobra.Command{
		Use:   "propose BUNDLE...",
		Short: "Write the tightest policy that bundles meet",
		Long: `Verifies each BUNDLE, whoever signed it and whatever its artifact, and prints the tightest
policy that all of them meet. Read it before you trust it: a forger's bundle gives a
policy that trusts the forger.`,
		Example: `  hallmark policy propose release.tar.gz.sigstore.json >policy.yaml`,
		Args:    usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, files []string) error {
			return f.propose(env, files, keyFiles)
		},
	}
	f.add(cmd, false)
	cmd.Flags().StringArrayVar(&keyFiles, "key", nil, "public key `FILE` (PEM) of bundles that were made with a key; may be repeated")
	return cmd
}

func (f trustFlags) propose(env environment, files, keyFiles []string) error {
	root, err := f.root(env)
	if err != nil {
		return err
	}
	verifier, err := verify.New(root)
	if err != nil {
		return err
	}
	accept := verify.Policy{AnyIdentityUnsafe: true} // who it is is the question
	for _, file := range keyFiles {
		key, err := readPublicKey(file)
		if err != nil {
			return err
		}
		accept.Keys = append(accept.Keys, key)
	}
	var results []*verify.Result
	for _, file := range files {
		bundles, err := verdict.ReadBundles(file)
		if err != nil {
			return err
		}
		for _, b := range bundles {
			result, err := proved(verifier, b, accept)
			if err != nil {
				return proposalRefused(env, file, err)
			}
			results = append(results, result)
		}
	}
	text, err := policy.Propose(results)
	if err != nil {
		return err
	}
	_, err = env.stdout.Write(text)
	return err
}

// proposalRefused says how to go on: with the key, or with another trusted root.
func proposalRefused(env environment, file string, err error) error {
	p := about(file, err)
	switch {
	case p.Code == string(verify.KeyMismatch):
		p.Try = "--key FILE, with the public key that signed"
	case p.Code == string(verify.OtherInstance):
		p.Try = "--trusted-root FILE or --instance NAME, of the instance that signed"
	case p.Exit == exitRefused:
		p.Try = env.command() + " inspect " + file
	}
	return p
}

// proved verifies a bundle of the artifact that it names itself.
func proved(v *verify.Verifier, b *bundle.Bundle, accept verify.Policy) (*verify.Result, error) {
	artifact, err := verdict.Claimed(b)
	if err != nil {
		return nil, err
	}
	return v.Verify(b, artifact, accept)
}
