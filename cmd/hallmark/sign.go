// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/images"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/report"
	"github.com/hallmark-sign/hallmark/internal/signing"
	"github.com/hallmark-sign/hallmark/internal/trusting"
	"github.com/hallmark-sign/hallmark/verify"
)

// widelyRead is how many subjects of a statement cosign and sigstore-go read, which
// interop's TestManifests knows.
const widelyRead = 1024

// compatCosign2 is the value of --compat.
const compatCosign2 = "cosign2"

// signFlags are those of every verb that signs.
type signFlags struct {
	trust          trusting.Selection
	token          tokenFlags
	key            string
	passphraseFile string
	bundle         string
	registry       images.Reach
	evidence       string
	beside         bool // add to the bundles that are there
	replace        bool // put the bundle in the place of others'
	manifest       bool // one statement about all
	compat         string
	timeout        time.Duration
}

func (f *signFlags) add(cmd *cobra.Command, env cli.Environment) {
	addTrust(cmd, &f.trust, true)
	addCACert(cmd, &f.trust)
	f.token.add(cmd)
	cmd.Flags().StringVar(&f.key, "key", "", "private key `FILE` (PEM) to sign with, instead of a login")
	cmd.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", "`FILE` with the passphrase of --key (default: HALLMARK_PASSPHRASE, then a prompt)")
	cmd.Flags().StringVar(&f.bundle, "bundle", "", "`FILE` to write the bundle to (default: the artifact's name with "+find.Suffix+")")
	addRegistry(cmd, &f.registry)
	addEvidence(cmd, env, &f.evidence, "to leave the bundle there as well")
	cmd.Flags().StringVar(&f.compat, "compat", "", "also leave on images what `cosign2` reads, without the log entry, which it has no place for")
	cmd.Flags().BoolVar(&f.beside, "add", false, "add a line to FILE"+find.LinesSuffix+", or to --bundle FILE.jsonl, beside the signatures that are there")
	cmd.Flags().BoolVar(&f.replace, "replace", false, "replace the bundle that is there, though somebody else has signed it")
	cli.Complete(cmd, "compat", "cosign2")
	cmd.MarkFlagsMutuallyExclusive("add", "replace")
	cli.AddTimeout(cmd, &f.timeout, time.Minute)
}

// sign signs each of the files, or one manifest of all.
func (f signFlags) sign(ctx context.Context, env cli.Environment, files []string) error {
	r, err := f.request(env)
	switch {
	case err != nil:
		return err
	case f.manifest:
		return r.SignManifest(ctx, files)
	}
	return r.Sign(ctx, files)
}

func signCommand(env cli.Environment) *cobra.Command {
	var f signFlags
	cmd := &cobra.Command{
		Use:   "sign SUBJECT...",
		Short: "Sign files and images with a login or a key, and log the signatures",
		Long: `Signs each FILE and writes FILE.sigstore.json: the signature, a certificate for who
signed, a timestamp and the log entry. The bundle is verified before it is written. Where
somebody else's bundle is there already, or a manifest, it stays, and ours becomes a line
of FILE.sigstore.jsonl, unless --replace is given. - is standard input, with --bundle.

REGISTRY/REPO@sha256:HEX and REGISTRY/REPO:TAG are images; a tag is resolved, shown,
and signed by digest. The bundle is put on the image in its registry, where cosign 3
finds it too. Credentials are those of docker and podman. A path that exists is a
file; file: and oci: say it outright.

With --manifest it is one signature for a whole release: one statement that names every
file, every file of a directory or a list of checksums, and every image, by path and
digest. The bundle is one file at or above all that it names: --bundle, else
release.sigstore.json in the directory that is named, or here. Links that lead out of the
directory are refused. 'hallmark verify DIR' finds it in DIR or above. A manifest may
name 10,000 subjects; cosign and sigstore-go read up to 1,024.

With --evidence URL the bundle is also left in the evidence store of an instance, where
'verify --evidence' finds it by the digest of what was signed. If that fails, the bundle
stays where it is, and the exit status is 3.

--compat cosign2 also leaves on images a signature in the form of cosign 1 and 2, which
has a certificate and a log entry of its own. Those read timestamp and identity, but no
entry of this log: cosign verify --insecure-ignore-tlog --use-signed-timestamps
--new-bundle-format=false --trusted-root FILE --certificate-identity …, or --key FILE.

Who signs: the ID token given with --identity-token or SIGSTORE_ID_TOKEN; in GitHub
Actions the workflow itself; else whoever logs in. With --key, the key.`,
		Example: `  hallmark sign release.tar.gz
  hallmark sign --identity-token token.txt a.zip b.zip
  hallmark sign registry.example.com/app:v1
  hallmark sign --manifest dist/ registry.example.com/app:v1   # dist/release.sigstore.json
  tar c dist | hallmark sign --bundle dist.tar.sigstore.json -
  hallmark sign --key key.pem --bundle release.bundle release.tar.gz`,
		Args: cli.UsageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := f.checkCompat(); err != nil {
				return cli.UsageError(cmd, err)
			}
			if f.bundle != "" && len(files) > 1 && !f.manifest {
				return cli.UsageError(cmd, errors.New("--bundle takes one FILE, without --manifest"))
			}
			return f.sign(cmd.Context(), env, files)
		},
	}
	f.add(cmd, env)
	cmd.Flags().BoolVar(&f.manifest, "manifest", false, "sign one statement about all, in "+signing.ManifestName+find.Suffix+" or --bundle")
	cmd.MarkFlagsMutuallyExclusive("key", "identity-token", "email")
	return cmd
}

func (f signFlags) checkCompat() error {
	if f.compat != "" && f.compat != compatCosign2 {
		return fmt.Errorf("--compat %q is not %s", f.compat, compatCosign2)
	}
	return nil
}

// request returns what the flags say, with the terminal as what is asked and told.
func (f signFlags) request(env cli.Environment) (*signing.Request, error) {
	f.registry.Timeout = f.timeout
	registry, err := f.registry.Registry()
	if err != nil {
		return nil, err
	}
	store, err := f.trust.EvidenceStore(env, f.evidence, f.timeout)
	if err != nil {
		return nil, err
	}
	return &signing.Request{
		Bundle: f.bundle, Add: f.beside, Replace: f.replace, Legacy: f.compat != "", Recursive: f.registry.Recursive, Keyed: f.key != "",
		Inputs:   []string{f.key, f.passphraseFile, f.token.token, f.token.passwordFile, f.trust.TrustedRoot, f.trust.SigningConfig, f.trust.CACert, f.registry.CACert},
		Registry: registry, Store: store, Stdin: env.Stdin,
		Open:         func(ctx context.Context) (signing.Credentials, error) { return f.credentials(ctx, env) },
		Tell:         func(s signing.Signed) error { return tellSigned(env, s) },
		TellManifest: func(m signing.SignedManifest) error { return tellManifest(env, m) },
		Notice:       env.Say,
		Remark: func(format string, args ...any) {
			if !env.JSON {
				env.Say(format, args...)
			}
		},
	}, nil
}

// credentials reads the trust files, selects the services, and logs in or reads the key.
func (f signFlags) credentials(ctx context.Context, env cli.Environment) (c signing.Credentials, err error) {
	root, err := f.trust.Root(env)
	if err != nil {
		return c, err
	}
	config, err := f.trust.Config(env)
	if err != nil {
		return c, err
	}
	if c.Verifier, err = verify.New(root); err != nil {
		return c, err
	}
	h, err := f.trust.HTTP(env, f.timeout)
	if err != nil {
		return c, err
	}
	if c.Services, err = client.Open(config, time.Now(), h); err != nil {
		return c, err
	}
	if f.key != "" {
		c.Key, err = cli.LoadKey(ctx, env, f.key, f.passphraseFile)
		return c, err
	}
	if f.token.roots, err = f.trust.Authorities(env); err != nil {
		return c, err
	}
	c.Token, err = f.token.source(env).Token(ctx, c.Services.OIDC)
	return c, err
}

func tellSigned(env cli.Environment, s signing.Signed) error {
	if env.JSON {
		out := report.Of(judge.Verdict{Target: find.Target{Name: s.Name}, Results: []*verify.Result{s.Result}})
		out.Bundle = s.Bundle
		return env.PrintJSON(out)
	}
	env.Say("%s: signed by %s, log entry %s", s.Name, judge.Who(s.Result), report.EntryWords(s.Result))
	env.Say("  bundle    %s", s.Bundle)
	return nil
}

// tellManifest tells people of all at once, machines of each.
func tellManifest(env cli.Environment, m signing.SignedManifest) error {
	if env.JSON {
		for i, name := range m.Names {
			if err := tellSigned(env, signing.Signed{Name: name, Bundle: m.Bundle, Result: m.Results[i]}); err != nil {
				return err
			}
		}
		return nil
	}
	env.Say("%s: signed by %s, log entry %s", cli.Counted(len(m.Names), "subject", "subjects"), judge.Who(m.Results[0]), report.EntryWords(m.Results[0]))
	env.Say("  bundle    %s", m.Bundle)
	if len(m.Names) > widelyRead {
		env.Say("  note      cosign and sigstore-go refuse statements of more than %d subjects", widelyRead)
	}
	if name := filepath.Base(m.Bundle); !strings.HasSuffix(name, find.Suffix) && !strings.HasSuffix(name, find.LinesSuffix) {
		env.Say("  note      'hallmark verify DIR' looks for manifests called NAME%s", find.Suffix)
	} else {
		env.Say("  found by  hallmark verify %s", fault.Quoted(filepath.Dir(m.Bundle)))
	}
	return nil
}
