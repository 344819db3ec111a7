// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/report"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/policy/cel"
	"github.com/hallmark-sign/hallmark/verify"
)

// policyFlags say whom a verb accepts.
type policyFlags struct {
	file, identity, issuer, key string
	kind                        string // of statements
}

// verifyFlags are those of every verb that verifies.
type verifyFlags struct {
	trust    trustFlags
	policy   policyFlags
	bundles  []string
	detached detachedFlags
	registry registryFlags
	evidence evidenceFlags
	timeout  time.Duration
	explain  bool
	quiet    bool
}

func verifyCommand(env cli.Environment) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify SUBJECT...",
		Short: "Verify files against their bundles, without any network; and images",
		Long: `Verifies each FILE against FILE.sigstore.json and the trusted root of an instance: that
who the policy names has signed it, while the certificate was valid, and that the
signature is in the transparency log. Nothing is fetched, unless you say so. --identity
and --issuer are the shortest policy: both must match exactly.

FILE may be a directory: every file below it must be signed. It may be a list of
checksums, SHA256SUMS: signed itself, it vouches for the files that it lists; else each
needs a bundle of its own. Stars are expanded. A digest, sha256:HEX, or - for standard
input need --bundle or --evidence. A file may have several bundles, one a line, in
FILE.sigstore.jsonl.

A manifest in a directory, such as release.sigstore.json of 'sign --manifest', vouches
for the files that it names; one that it names must be there and be the same, whatever
bundles lie beside it, one that it does not name is unsigned. With --bundle several FILEs or a directory share bundles,
and a file is vouched for by its digest alone, whatever its name.

REGISTRY/REPO:TAG and REGISTRY/REPO@sha256:HEX are images, whose bundles are fetched
from their registry; a registry that can't be looked at is exit status 3, never
"unsigned". A path that exists is a file; file: and oci: say it outright.

With --evidence URL, what has no bundle beside it or on it is looked up in the evidence
store of an instance, by its SHA-256. Bundles that are there and refused are not looked
up: the answer is no. A store that can't be looked at is exit status 3.`,
		Example: `  hallmark verify release.tar.gz --identity alice@example.com --issuer https://login.example.com
  hallmark verify dist/ --policy policy.yaml
  hallmark verify --policy policy.yaml --explain SHA256SUMS
  hallmark verify --policy policy.yaml registry.example.com/app:v1
  hallmark verify --key key.pub --bundle release.bundle release.tar.gz
  hallmark verify sha256:9f86… --bundle b.json --identity … --issuer …`,
		Args: cli.UsageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := f.check(files); err != nil {
				return cli.UsageError(cmd, err)
			}
			return f.verify(cmd.Context(), env, files)
		},
	}
	f.trust.add(cmd, false)
	f.trust.addCACert(cmd)
	f.trust.addLogPolicy(cmd)
	f.policy.add(cmd)
	f.detached.add(cmd)
	f.registry.add(cmd)
	f.evidence.add(cmd, env, "to ask for those of what has none")
	cli.AddTimeout(cmd, &f.timeout, time.Minute)
	cmd.Flags().StringArrayVar(&f.bundles, "bundle", nil, "`FILE` with the bundle (default: the artifact's name with "+find.Suffix+"); may be repeated")
	cmd.Flags().BoolVar(&f.explain, "explain", false, "show what each of the nine steps saw")
	cli.AddQuiet(cmd, &f.quiet)
	return cmd
}

func (f *policyFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "policy", "", "policy `FILE` that says who must have signed")
	cmd.Flags().StringVar(&f.identity, "identity", "", "who must have signed: the email or URI in the certificate")
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "`URL` of the OpenID issuer that must have vouched for --identity")
	cmd.Flags().StringVar(&f.key, "key", "", "public key `FILE` that must have signed, instead of an identity: PEM, DER, a certificate or a line of OpenSSH")
	cli.AddType(cmd, &f.kind)
}

// check wants exactly one way of saying who is accepted.
func (f policyFlags) check() error {
	byName := f.identity != "" || f.issuer != ""
	ways := 0
	for _, given := range []bool{byName, f.key != "", f.file != ""} {
		if given {
			ways++
		}
	}
	switch {
	case f.kind != "" && f.file != "":
		return errors.New("--type is for the policy to say, with accepts")
	case ways > 1:
		return errors.New("--policy, --key and --identity exclude each other")
	case byName && f.issuer == "":
		return errors.New("--issuer is missing: a name means nothing without who vouched for it")
	case byName && f.identity == "":
		return errors.New("--identity is missing")
	case ways == 0:
		return errors.New("who may have signed? give --identity and --issuer, --key, or --policy; 'hallmark inspect' tells what a bundle claims, 'hallmark policy propose' writes a policy")
	}
	return nil
}

func (f verifyFlags) check(files []string) error {
	if err := f.policy.check(); err != nil {
		return err
	}
	if err := f.detached.check(f.bundles); err != nil {
		return err
	}
	elsewhere := len(f.bundles) > 0 || f.detached.given()
	if f.detached.given() && find.Several(files) {
		return errors.New("a detached signature goes with one FILE")
	}
	for _, file := range files {
		if _, err := os.Stat(file); !elsewhere && f.evidence.url == "" && (file == "-" || err != nil && strings.HasPrefix(file, "sha256:")) {
			return fmt.Errorf("%s needs --bundle or --evidence", file)
		}
	}
	return nil
}

// read returns the policy of the flags.
func (f policyFlags) read() (*policy.Policy, error) {
	p, err := f.readAny()
	if err != nil || f.kind == "" {
		return p, err
	}
	kind := f.kind
	if kind != policy.Signature {
		if kind, err = cli.PredicateType(kind); err != nil {
			return nil, &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Err: err}
		}
	}
	return p.Accepting(kind)
}

func (f policyFlags) readAny() (*policy.Policy, error) {
	switch {
	case f.file != "":
		return readPolicy(f.file)
	case f.key == "":
		return policy.ForIdentity(f.identity, f.issuer), nil
	}
	key, err := cli.ReadPublicKey(f.key)
	if err != nil {
		return nil, err
	}
	return policy.ForKey(f.key, key), nil
}

func readPolicy(file string) (*policy.Policy, error) {
	raw, err := find.ReadFile(file, policy.MaxFile)
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse(raw, cel.Compile)
	if err != nil {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: file, Code: "policy-malformed", Err: err, Try: "docs/guides/policies.md, or 'hallmark policy propose' for an example"}
	}
	return p, nil
}

// judge returns the judge with the policy of the flags.
func (f verifyFlags) judge(env cli.Environment) (*judge.Judge, error) {
	p, err := f.policy.read()
	if err != nil {
		return nil, err
	}
	return f.trust.judge(env, p)
}

func (f trustFlags) judge(env cli.Environment, p *policy.Policy) (*judge.Judge, error) {
	root, err := f.Root(env)
	if err != nil {
		return nil, err
	}
	facts, err := f.facts(env)
	if err != nil {
		return nil, err
	}
	verifier, err := verify.New(root)
	if err != nil {
		return nil, err
	}
	return &judge.Judge{Verifier: verifier, Policy: p, Facts: facts, Stdin: env.Stdin, Command: env.Command()}, nil
}

// facts returns when the trusted root was fetched and what the instance demands. A
// pinned instance without a log policy demands none; of a trusted root that was given
// alone nobody knows.
func (f trustFlags) facts(env cli.Environment) (policy.Facts, error) {
	facts := policy.Facts{Now: time.Now()}
	path, err := f.RootPath(env)
	if err != nil {
		return facts, err
	}
	if info, err := os.Stat(path); err == nil && path != find.Stdin {
		facts.RootFetched = info.ModTime()
	}
	absent := policy.KnownWitnesses()
	if f.TrustedRoot != "" {
		absent = policy.UnknownWitnessesUnsafe()
	}
	facts.Witnesses, err = judge.Witnesses(f.LogPolicy, path, absent)
	return facts, err
}

// verify prints a verdict on each file, and returns the worst.
func (f verifyFlags) verify(ctx context.Context, env cli.Environment, files []string) error {
	judge, err := f.judge(env)
	if err != nil {
		return err
	}
	judge.Explain = f.explain
	if store, err := f.evidence.store(env, f.trust, f.timeout); err != nil {
		return err
	} else if store != nil {
		judge.Store = store
	}
	registry, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	if files, err = f.registry.expand(ctx, registry, files); err != nil {
		return err
	}
	finder := find.Finder{Bundles: f.bundles, Registry: registry}
	if finder.Detached, err = f.detached.bundle(); err != nil {
		return err
	}
	teller := teller{verifyFlags: f, env: env, many: find.Several(files) || find.IsChecksums(files[0])}
	if teller.many {
		env.CollectLess()
	}
	if err := judge.All(ctx, finder.All(files), teller.tell); err != nil {
		return err
	}
	return teller.end()
}

// teller prints verdicts as they come.
type teller struct {
	verifyFlags
	env     cli.Environment
	many    bool
	summary report.Summary
	drawn   time.Time // when progress was last drawn
}

func (t *teller) tell(v judge.Verdict) error {
	t.summary.Add(v)
	if t.quiet && v.Problem == nil {
		return nil
	}
	var err error
	switch {
	case t.env.JSON:
		out := report.Of(v)
		out.Reason = cli.Plain(out.Reason)
		err = t.env.PrintJSON(out)
	case t.many && !t.explain:
		t.progress()
		_, err = fmt.Fprint(t.env.Stdout, report.Line(v))
	default:
		_, err = fmt.Fprint(t.env.Stdout, report.Text(v))
	}
	return err
}

// progress draws how far it is on a terminal, where verdicts go elsewhere.
func (t *teller) progress() {
	stderr, isFile := t.env.Stderr.(*os.File)
	stdout, _ := t.env.Stdout.(*os.File)
	if !isFile || !term.IsTerminal(int(stderr.Fd())) || stdout != nil && term.IsTerminal(int(stdout.Fd())) || time.Since(t.drawn) < 100*time.Millisecond {
		return
	}
	t.drawn = time.Now()
	fmt.Fprintf(t.env.Stderr, "\r%s ", t.summary.String())
}

// end prints the summary and explains the first that was not verified.
func (t *teller) end() error {
	if !t.drawn.IsZero() {
		fmt.Fprint(t.env.Stderr, "\r\x1b[K")
	}
	if t.many && !t.quiet && !t.env.JSON {
		t.env.Say("hallmark: %s", t.summary.String())
	}
	return t.summary.Err()
}
