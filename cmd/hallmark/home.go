// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/trusting"
)

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

// completeInstances registers the instances for completion by shells.
func completeInstances(cmd *cobra.Command, env cli.Environment) {
	if cmd.Flags().Lookup("instance") != nil {
		cli.CompleteFrom(cmd, "instance", func() []string { return trusting.Names(env) })
	}
	for _, sub := range cmd.Commands() {
		completeInstances(sub, env)
	}
}
