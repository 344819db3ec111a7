// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/trusting"
)

func trustCommand(env cli.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Manage the instances that this client trusts",
		Example: `  hallmark trust add https://sign.example.com
  hallmark trust list
  hallmark trust fingerprint my-instance`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(trustAddCommand(env), trustListCommand(env), trustFingerprintCommand(env), trustRemoveCommand(env))
	return cmd
}

func trustAddCommand(env cli.Environment) *cobra.Command {
	var f trusting.Addition
	var cacert string
	cmd := &cobra.Command{
		Use:   "add URL",
		Short: "Fetch and pin what an instance publishes",
		Long: `Fetches the trusted root, the signing config and, if there is one, the log policy of an
instance, shows the fingerprint over all of them, and keeps them once you confirm.
From then on nothing is fetched: verifying uses what was pinned. The first instance
becomes the default one. Over plain HTTP to another machine, --fingerprint is required.

With --cacert FILE, the instance's TLS certificate may be of a private certificate
authority. It is kept with the instance, for every command that contacts the instance and
for the next trust add; --cacert '' forgets it.

Compare the fingerprint with the one that the operator reads to you from 'hallmark init',
'hallmark log rotate' or 'hallmark trust fingerprint DIR'.`,
		Example: `  hallmark trust add http://127.0.0.1:7500
  hallmark trust add https://sign.example.com --name work --fingerprint 9f86d081…
  hallmark trust add https://sign.corp.example --cacert corp-ca.pem`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("cacert") {
				f.CACert = &cacert
			}
			return f.Run(cmd.Context(), env, strings.TrimSuffix(args[0], "/"))
		},
	}
	cmd.Flags().StringVar(&f.Name, "name", "", "what to call the instance (default: its host)")
	cmd.Flags().StringVar(&f.Fingerprint, "fingerprint", "", "accept exactly this fingerprint, without asking")
	cmd.Flags().StringVar(&cacert, "cacert", "", "PEM `FILE` with the certificate authority of the instance's TLS, besides the system's")
	cmd.Flags().BoolVar(&f.Default, "default", false, "make it the default instance even if there is one")
	cmd.Flags().BoolVar(&f.Yes, "yes", false, "accept whatever the connection brings, without asking")
	cli.AddTimeout(cmd, &f.Timeout, 30*time.Second)
	return cmd
}

func trustListCommand(env cli.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the instances that this client trusts",
		Long:  "Prints each instance with its fingerprint and its URL; * marks the default one.",
		Example: `  hallmark trust list
  hallmark trust list --json`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return trusting.List(env)
		},
	}
	return cmd
}

func trustRemoveCommand(env cli.Environment) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Stop trusting an instance",
		Example: `  hallmark trust remove work`,
		Args:    cli.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return trusting.Names(env), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error { return trusting.Remove(env, args[0]) },
	}
}
