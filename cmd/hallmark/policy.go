// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/verifying"
)

func policyCommand(env cli.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Say who is trusted, as a file",
		Long: `A policy names signers, and says how many of them must have signed what. docs/guides/policies.md
is its manual, docs/reference/policy.schema.json its schema for editors.`,
		Example: `  hallmark policy propose release.tar.gz.sigstore.json >policy.yaml
  hallmark policy explain policy.yaml
  hallmark verify --policy policy.yaml release.tar.gz`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(policyCheckCommand(env), policyTestCommand(env), policyExplainCommand(env), policyProposeCommand(env))
	return cmd
}

func policyCheckCommand(env cli.Environment) *cobra.Command {
	return &cobra.Command{
		Use:   "check POLICY...",
		Short: "Check policies, and warn of rules that are too wide",
		Long: `Reads each POLICY as verify would, its conditions included, and warns of what is allowed
but wider than most would want.`,
		Example: `  hallmark policy check policy.yaml`,
		Args:    cli.UsageArgs(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, files []string) error {
			return verifying.CheckPolicies(env, files)
		},
	}
}

func policyExplainCommand(env cli.Environment) *cobra.Command {
	return &cobra.Command{
		Use:     "explain POLICY",
		Short:   "Say in sentences what a policy accepts",
		Example: `  hallmark policy explain policy.yaml`,
		Args:    cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return verifying.ExplainPolicy(env, args[0])
		},
	}
}

func policyTestCommand(env cli.Environment) *cobra.Command {
	var f verifying.Test
	cmd := &cobra.Command{
		Use:   "test POLICY CASES",
		Short: "Test a policy against cases with expected verdicts",
		Long: `Verifies each case of CASES with POLICY, and compares the verdict with the one that is
expected. CASES is a YAML list; paths are relative to it, and images are images:

  - artifact: good.tar.gz
    expect: verified
  - artifact: good.tar.gz
    bundle: by-somebody-else.sigstore.json
    expect: identity-mismatch
  - artifact: registry.example.com/app:v1
    expect: verified`,
		Example: `  hallmark policy test policy.yaml policy-tests.yaml`,
		Args:    cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Run(cmd.Context(), env, args[0], args[1])
		},
	}
	addTrust(cmd, &f.Trust, false)
	addLogPolicy(cmd, &f.Trust)
	addRegistry(cmd, &f.Registry)
	cli.AddTimeout(cmd, &f.Registry.Timeout, time.Minute)
	return cmd
}

func policyProposeCommand(env cli.Environment) *cobra.Command {
	var f verifying.Proposal
	cmd := &cobra.Command{
		Use:   "propose BUNDLE|IMAGE...",
		Short: "Write the tightest policy that bundles meet",
		Long: `Verifies each BUNDLE, by any signer and of any artifact, and prints the tightest policy
that all of them meet. Of an IMAGE it takes the bundles on it that verify, and names the
others. Read the policy before you trust it: a forger's bundle gives a policy that trusts
the forger, and anyone who may write to a repository can put a bundle on its images.`,
		Example: `  hallmark policy propose release.tar.gz.sigstore.json >policy.yaml
  hallmark policy propose registry.example.com/app:v1 >policy.yaml`,
		Args: cli.UsageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Run(cmd.Context(), env, args)
		},
	}
	addTrust(cmd, &f.Trust, false)
	addRegistry(cmd, &f.Registry)
	cli.AddTimeout(cmd, &f.Registry.Timeout, time.Minute)
	cmd.Flags().StringArrayVar(&f.Keys, "key", nil, "public key `FILE` (PEM) of bundles that were made with a key; may be repeated")
	return cmd
}
