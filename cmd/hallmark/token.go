// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/signing"
	"github.com/hallmark-sign/hallmark/internal/trusting"
)

// addToken adds the flags that say where an ID token comes from.
func addToken(cmd *cobra.Command, f *signing.Login) {
	cmd.Flags().StringVar(&f.Given, "identity-token", "", "ID token, as `FILE` or value (default: SIGSTORE_ID_TOKEN, then the CI's own, then a login)")
	addLogin(cmd, f)
}

// addLogin adds the flags of a login.
func addLogin(cmd *cobra.Command, f *signing.Login) {
	cmd.Flags().StringVar(&f.Issuer, "login-issuer", "", "OpenID issuer `URL` to log in at (default: the instance's)")
	cmd.Flags().StringVar(&f.Email, "email", "", "account of the instance's own login to use without a browser")
	cmd.Flags().StringVar(&f.PasswordFile, "password-file", "", "`FILE` with the password of --email (default: a prompt)")
	cmd.Flags().BoolVar(&f.Device, "device", false, "log in with a code on another device, without opening a browser here")
}

func tokenCommand(env cli.Environment) *cobra.Command {
	var f signing.Login
	var trust trusting.Selection
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print an ID token",
		Long: `Logs in and prints the ID token on stdout, for scripts and other clients. It is valid for
minutes, and anyone who has it can sign as you.

With --email and --password-file it needs no browser and no one at the terminal.`,
		Example: `  hallmark token > token.txt
  hallmark token --email alice@example.com --password-file password.txt
  SIGSTORE_ID_TOKEN=$(hallmark token) cosign sign-blob ...`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.Print(cmd.Context(), env, trust)
		},
	}
	addTrust(cmd, &trust, true)
	addCACert(cmd, &trust)
	addLogin(cmd, &f)
	return cmd
}
