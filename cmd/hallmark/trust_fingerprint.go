// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/trusting"
)

func trustFingerprintCommand(env cli.Environment) *cobra.Command {
	var f trusting.Reading
	cmd := &cobra.Command{
		Use:   "fingerprint DIR|URL|NAME",
		Short: "Print the fingerprint of what an instance publishes",
		Long: `Prints the fingerprint over all files that an instance publishes for its clients, and
pins nothing. The instance is one of:

  NAME   of 'hallmark trust list': what this client has pinned
  DIR    the directory of an instance, or one with its trust files: for the operator,
         who reads it to people who run 'hallmark trust add'
  URL    what the instance there publishes now: to see whether it has changed

The fingerprint of a URL proves nothing by itself: it comes over the connection that it
is to prove. A directory called like a pinned instance is written ./NAME.`,
		Example: `  hallmark trust fingerprint my-instance
  hallmark trust fingerprint work
  hallmark trust fingerprint https://sign.example.com --json`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return trusting.Names(env), cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Fingerprint(cmd.Context(), env, args[0])
		},
	}
	cmd.Flags().StringVar(&f.CACert, "cacert", "", "PEM `FILE` with the certificate authority of the TLS of a URL, besides the system's")
	cli.AddTimeout(cmd, &f.Timeout, 30*time.Second)
	return cmd
}
