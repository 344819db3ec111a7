// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/verifying"
)

func verifyCommand(env cli.Environment) *cobra.Command {
	var f verifying.Verification
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
			if err := f.Check(files); err != nil {
				return cli.UsageError(cmd, err)
			}
			return f.Run(cmd.Context(), env, files)
		},
	}
	addTrust(cmd, &f.Trust, false)
	addCACert(cmd, &f.Trust)
	addLogPolicy(cmd, &f.Trust)
	addAcceptance(cmd, &f.Accept)
	addDetached(cmd, &f.Detached)
	addRegistry(cmd, &f.Registry)
	addEvidence(cmd, env, &f.Evidence, "to ask for those of what has none")
	cli.AddTimeout(cmd, &f.Timeout, time.Minute)
	cmd.Flags().StringArrayVar(&f.Bundles, "bundle", nil, "`FILE` with the bundle (default: the artifact's name with "+find.Suffix+"); may be repeated")
	cmd.Flags().BoolVar(&f.Explain, "explain", false, "show what each of the nine steps saw")
	cli.AddQuiet(cmd, &f.Quiet)
	return cmd
}

// addAcceptance adds the flags that say who must have signed.
func addAcceptance(cmd *cobra.Command, f *verifying.Acceptance) {
	cmd.Flags().StringVar(&f.Policy, "policy", "", "policy `FILE` that says who must have signed")
	cmd.Flags().StringVar(&f.Identity, "identity", "", "who must have signed: the email or URI in the certificate")
	cmd.Flags().StringVar(&f.Issuer, "issuer", "", "`URL` of the OpenID issuer that must have vouched for --identity")
	cmd.Flags().StringVar(&f.Key, "key", "", "public key `FILE` that must have signed, instead of an identity: PEM, DER, a certificate or a line of OpenSSH")
	cli.AddType(cmd, &f.Type)
}

// addDetached adds flags for what cosign 1 and 2 kept in files of their own.
func addDetached(cmd *cobra.Command, f *verifying.Detached) {
	cmd.Flags().StringVar(&f.Signature, "signature", "", "`FILE` with a detached signature, in place of a bundle")
	cmd.Flags().StringVar(&f.Certificate, "certificate", "", "`FILE` with the certificate of --signature")
	cmd.Flags().StringVar(&f.Chain, "certificate-chain", "", "`FILE` with the chain of --certificate")
	cmd.Flags().StringVar(&f.Entry, "log-entry", "", "`FILE` with the Rekor entry of --signature")
	cmd.Flags().StringVar(&f.Timestamp, "timestamp", "", "`FILE` with the RFC 3161 timestamp of --signature")
}
