// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/signing"
)

// addSigning adds the flags of every verb that signs.
func addSigning(cmd *cobra.Command, env cli.Environment, f *signing.Request) {
	addTrust(cmd, &f.Trust, true)
	addCACert(cmd, &f.Trust)
	addToken(cmd, &f.Login)
	cmd.Flags().StringVar(&f.Key, "key", "", "private key `FILE` (PEM) to sign with, instead of a login")
	cmd.Flags().StringVar(&f.PassphraseFile, "passphrase-file", "", "`FILE` with the passphrase of --key (default: HALLMARK_PASSPHRASE, then a prompt)")
	cmd.Flags().StringVar(&f.Bundle, "bundle", "", "`FILE` to write the bundle to (default: the artifact's name with "+find.Suffix+")")
	addRegistry(cmd, &f.Registry)
	addEvidence(cmd, env, &f.Evidence, "to leave the bundle there as well")
	cmd.Flags().StringVar(&f.Compat, "compat", "", "also leave on images what `cosign2` reads, without the log entry, which it has no place for")
	cmd.Flags().BoolVar(&f.Add, "add", false, "add a line to FILE"+find.LinesSuffix+", or to --bundle FILE.jsonl, beside the signatures that are there")
	cmd.Flags().BoolVar(&f.Replace, "replace", false, "replace an existing bundle, even by another signer")
	cli.Complete(cmd, "compat", "cosign2")
	cmd.MarkFlagsMutuallyExclusive("add", "replace")
	cli.AddTimeout(cmd, &f.Timeout, time.Minute)
}

const signHelp = `Signs each FILE and writes FILE.sigstore.json: the signature, a certificate for who
signed, a timestamp and the log entry. The bundle is verified before it is written. If
a bundle by another signer is there already, or a manifest, it stays, and ours becomes a line
of FILE.sigstore.jsonl, unless --replace is given. - is standard input, with --bundle. Many
files get one certificate, and eight are signed at once; --resume skips what is signed.

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
has a log entry of its own. Those read timestamp and identity, but no
entry of this log: cosign verify --insecure-ignore-tlog --use-signed-timestamps
--new-bundle-format=false --trusted-root FILE --certificate-identity …, or --key FILE.

Who signs: the ID token given with --identity-token or SIGSTORE_ID_TOKEN; else the CI job
or workload that this runs in (docs/guides/ci.md); else who logs in. With --key, the key.`

func signCommand(env cli.Environment) *cobra.Command {
	var f signing.Request
	var manifest bool
	cmd := &cobra.Command{
		Use:   "sign SUBJECT...",
		Short: "Sign files and images with a login or a key, and log the signatures",
		Long:  signHelp,
		Example: `  hallmark sign release.tar.gz
  hallmark sign --identity-token token.txt a.zip b.zip
  hallmark sign registry.example.com/app:v1
  hallmark sign --manifest dist/ registry.example.com/app:v1   # dist/release.sigstore.json
  tar c dist | hallmark sign --bundle dist.tar.sigstore.json -
  hallmark sign --key key.pem --bundle release.bundle release.tar.gz`,
		Args: cli.UsageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := f.Check(); err != nil {
				return cli.UsageError(cmd, err)
			}
			if f.Bundle != "" && len(files) > 1 && !manifest {
				return cli.UsageError(cmd, errors.New("--bundle takes one FILE, without --manifest"))
			}
			if manifest {
				return f.SignManifest(cmd.Context(), env, files)
			}
			return f.Sign(cmd.Context(), env, files)
		},
	}
	addSigning(cmd, env, &f)
	cmd.Flags().BoolVar(&f.Resume, "resume", false, "skip each FILE that has a bundle by the same signer that verifies")
	cmd.Flags().BoolVar(&manifest, "manifest", false, "sign one statement about all, in "+signing.ManifestName+find.Suffix+" or --bundle")
	cmd.MarkFlagsMutuallyExclusive("key", "identity-token", "email")
	return cmd
}
