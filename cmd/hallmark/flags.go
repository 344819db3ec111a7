// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/images"
	"github.com/hallmark-sign/hallmark/internal/trusting"
)

// Flags that several verbs have.

// addTrust adds the flags that select an instance.
func addTrust(cmd *cobra.Command, f *trusting.Selection, signing bool) {
	cmd.Flags().StringVar(&f.Instance, "instance", "", "instance to use, one of 'hallmark trust list' (default: HALLMARK_INSTANCE, then the default one)")
	cmd.Flags().StringVar(&f.TrustedRoot, "trusted-root", "", "trusted root `FILE` to use instead of an instance's")
	if signing {
		cmd.Flags().StringVar(&f.SigningConfig, "signing-config", "", "signing config `FILE` to use instead of an instance's")
	}
}

// addLogPolicy adds --log-policy, for verbs that check bundles against what an instance demands.
func addLogPolicy(cmd *cobra.Command, f *trusting.Selection) {
	cmd.Flags().StringVar(&f.LogPolicy, "log-policy", "", "log policy `FILE` (C2SP tlog-policy): witnesses that must have cosigned the logs (default: log_policy beside the trusted root, if there is one)")
}

// addCACert adds --cacert, for verbs that make requests to the services of an instance.
func addCACert(cmd *cobra.Command, f *trusting.Selection) {
	cmd.Flags().StringVar(&f.CACert, "cacert", "", "PEM `FILE` with the certificate authority of the instance's TLS, besides the system's (default: what 'trust add --cacert' has kept)")
}

// addRegistry adds the flags of verbs that take an image alone, or with its platforms.
func addRegistry(cmd *cobra.Command, f *images.Reach) {
	addReach(cmd, f)
	cmd.Flags().BoolVar(&f.Recursive, "recursive", false, "take every platform of an image as well")
}

// addReach adds the flags of verbs that take an image as a whole in any case, or alone.
func addReach(cmd *cobra.Command, f *images.Reach) {
	cmd.Flags().StringVar(&f.CACert, "registry-cacert", "", "`FILE` with the certificate authorities (PEM) of registries, instead of the system's")
	cmd.Flags().BoolVar(&f.PlainUnsafe, "registry-plain-http", false, "allow registries on other machines that speak no TLS: anyone on the network can read the credentials, and alter what they answer")
}

// addEvidence adds --evidence, which says which evidence store takes part. Without one, no
// verb opens a connection to any.
func addEvidence(cmd *cobra.Command, env cli.Environment, address *string, use string) {
	cmd.Flags().StringVar(address, "evidence", env.Getenv("HALLMARK_EVIDENCE"), "`URL` of an instance that keeps bundles, "+use+" (environment: HALLMARK_EVIDENCE; --evidence '' is none)")
}
