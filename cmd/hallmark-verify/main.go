// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/publickey"
	"github.com/hallmark-sign/hallmark/internal/report"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/trust/store"
	"github.com/hallmark-sign/hallmark/verify"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends at once
	err := execute(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout)
	p, worst := new(fault.Problem), new(fault.Worst)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &worst):
		fmt.Fprint(os.Stderr, worst.Text(remedy(worst.Problem)))
		return worst.Status
	case errors.As(err, &p):
	case errors.Is(err, context.Canceled):
		p = fault.Interrupted("")
	default:
		p = usage(err)
	}
	fmt.Fprint(os.Stderr, p.Text(remedy(p)))
	return p.Exit
}

func usage(err error) *fault.Problem {
	return &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Err: err, Remedy: "help"}
}

// options holds the flags, which have the same meaning as in hallmark verify.
type options struct {
	instance, trustedRoot, logPolicy, policy, identity, issuer, key string
	bundles                                                         []string
	explain, json, quiet, version                                   bool
}

func parse(args []string) (options, []string, error) {
	var o options
	flags := flag.NewFlagSet("hallmark-verify", flag.ContinueOnError)
	flags.StringVar(&o.instance, "instance", "", "`NAME` of the instance that hallmark has pinned (default: HALLMARK_INSTANCE, then the default one)")
	flags.StringVar(&o.trustedRoot, "trusted-root", "", "trusted root `FILE` to use instead of an instance's")
	flags.StringVar(&o.logPolicy, "log-policy", "", "log policy `FILE` (C2SP tlog-policy): witnesses that must have cosigned the logs (default: log_policy beside the trusted root, if there is one)")
	flags.StringVar(&o.policy, "policy", "", "policy `FILE` that says who must have signed")
	flags.StringVar(&o.identity, "identity", "", "who must have signed: the email or URI in the certificate")
	flags.StringVar(&o.issuer, "issuer", "", "`URL` of the OpenID issuer that must have vouched for --identity")
	flags.StringVar(&o.key, "key", "", "public key `FILE` that must have signed")
	flags.Func("bundle", "`FILE` with the bundle (default: the artifact's name with "+find.Suffix+"); may be repeated", func(file string) error {
		o.bundles = append(o.bundles, file)
		return nil
	})
	flags.BoolVar(&o.explain, "explain", false, "show what each of the nine steps saw")
	flags.BoolVar(&o.json, "json", false, "print each verdict as JSON, one a line")
	flags.BoolVar(&o.quiet, "quiet", false, "print refusals only")
	flags.BoolVar(&o.version, "version", false, "print the version")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), help)
		flags.PrintDefaults()
	}
	files, err := parseAll(flags, args)
	if err != nil || o.version {
		return o, nil, err
	}
	ways := 0
	for _, given := range []bool{o.policy != "", o.identity != "" || o.issuer != "", o.key != ""} {
		if given {
			ways++
		}
	}
	switch {
	case len(files) == 0:
		return o, nil, errors.New("no FILE")
	case o.trustedRoot != "" && o.instance != "":
		return o, nil, errors.New("--instance and --trusted-root exclude each other")
	case ways != 1, (o.identity == "") != (o.issuer == ""):
		return o, nil, errors.New("who may have signed? give --policy, --identity and --issuer, or --key")
	}
	return o, files, nil
}

const help = `hallmark-verify [--instance NAME | --trusted-root FILE] (--policy FILE | --identity ID --issuer URL | --key FILE) FILE...

Verifies each FILE, or every file below it, or those that a SHA256SUMS lists, against
FILE.sigstore.json, or a manifest in their directory. A digest, sha256:HEX, or - for
standard input need --bundle, which several FILEs share. The trusted root is that of an
instance that 'hallmark trust add' has pinned, unless --trusted-root is given.
Exit status: 0 yes, 1 refused, 2 usage or unreadable input, 3 could not decide.

`

// parseAll parses flags before, between and after the other arguments, up to --.
func parseAll(flags *flag.FlagSet, args []string) (others []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		rest := flags.Args()
		if used := len(args) - len(rest); len(rest) == 0 || used > 0 && args[used-1] == "--" {
			return append(others, rest...), nil
		}
		others, args = append(others, rest[0]), rest[1:]
	}
}

func execute(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout io.Writer) error {
	o, files, err := parse(args)
	if err != nil {
		return err
	}
	if o.version {
		return printVersion(stdout, o.json)
	}
	judging, err := o.judge(stdin, getenv)
	if err != nil {
		return err
	}
	finder := find.Finder{Bundles: o.bundles}
	var summary report.Summary
	err = judging.All(ctx, finder.All(files), func(v judge.Verdict) error {
		summary.Add(v)
		return o.tell(stdout, v)
	})
	if err != nil {
		return err
	}
	return summary.Err()
}

func (o options) tell(stdout io.Writer, v judge.Verdict) error {
	switch {
	case o.quiet && v.Err == nil:
		return nil
	case o.json:
		out := report.Of(v)
		out.Try = remedy(v.Problem())
		raw, err := json.Marshal(out, jsontext.AllowInvalidUTF8(true))
		if err != nil {
			return err
		}
		_, err = stdout.Write(append(fault.EscapeJSON(raw), '\n'))
		return err
	case o.explain:
		_, err := io.WriteString(stdout, report.Text(v))
		return err
	}
	_, err := io.WriteString(stdout, report.Line(v))
	return err
}

func (o options) judge(stdin io.Reader, getenv func(string) string) (*judge.Judge, error) {
	path, err := o.root(getenv)
	if err != nil {
		return nil, err
	}
	verifier, err := find.Parsed(path, trust.MaxSize, func(raw []byte) (*verify.Verifier, error) {
		root, err := trust.Parse(raw)
		if err != nil {
			return nil, err
		}
		return verify.New(root)
	})
	if err != nil {
		return nil, err
	}
	p, err := o.accepted()
	if err != nil {
		return nil, err
	}
	facts, err := judge.Facts(path, o.logPolicy, o.trustedRoot == "")
	if err != nil {
		return nil, err
	}
	if o.trustedRoot != "" {
		facts.RootFetched = time.Time{} // unknown for a trusted root that is given as a file
	}
	return &judge.Judge{Verifier: verifier, Policy: p, Facts: facts, Explain: o.explain, Stdin: stdin}, nil
}

// root returns the path of the trusted root: the one given, or that of a pinned instance.
func (o options) root(getenv func(string) string) (string, error) {
	if o.trustedRoot != "" {
		return o.trustedRoot, nil
	}
	pinned, err := store.Open(getenv)
	if err != nil {
		return "", err
	}
	dir, err := pinned.Select(o.instance, getenv)
	if err == nil {
		dir, err = store.File(dir, trust.RootFile)
	}
	if missing := new(store.NoInstance); errors.As(err, &missing) {
		return "", &fault.Problem{Exit: fault.ExitUndecided, Code: "no-instance", Err: err}
	}
	return dir, err
}

// accepted returns the policy that the flags select.
func (o options) accepted() (*policy.Policy, error) {
	if o.identity != "" {
		return policy.ForIdentity(o.identity, o.issuer), nil
	}
	if o.key != "" {
		key, err := find.Parsed(o.key, publickey.MaxFile, publickey.Parse)
		if err != nil {
			return nil, err
		}
		return policy.ForKey(o.key, key), nil
	}
	raw, err := find.ReadFile(o.policy, policy.MaxFile)
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse(raw, nil)
	if err != nil {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: o.policy, Code: "policy-malformed", Err: err}
	}
	return p, nil
}
