// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/signing"
	"github.com/hallmark-sign/hallmark/internal/trusting"
)

func whoamiCommand(env cli.Environment) *cobra.Command {
	var f signing.Login
	var trust trusting.Selection
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Show what a signature would record of you",
		Long: `Gets an ID token as sign does, and shows the fields of the certificate that it would get
from the instance, each with the claims that it is made of. Nothing is recorded. Whatever is
shown here becomes public with a signature, in the logs of the instance.`,
		Example: `  hallmark whoami
  hallmark whoami --email alice@example.com --password-file password.txt
  hallmark whoami --identity-token token.txt --json`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.WhoAmI(cmd.Context(), env, trust) },
	}
	addTrust(cmd, &trust, true)
	addCACert(cmd, &trust)
	addToken(cmd, &f)
	cmd.MarkFlagsMutuallyExclusive("identity-token", "email")
	return cmd
}
