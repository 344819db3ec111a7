// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/trusting"
)

// execute runs the verb that args name and gives the exit status.
func execute(ctx context.Context, env cli.Environment, args []string) int {
	if cli.WantsJSON(args) {
		env = env.ForMachines()
	}
	root := newRoot(env)
	root.SetArgs(args)
	return env.Report(root.ExecuteContext(ctx))
}

func newRoot(env cli.Environment) *cobra.Command {
	var showVersion bool
	root := &cobra.Command{
		Use:   "hallmark",
		Short: "Sigstore, whole, in one binary",
		Long: `hallmark signs software with an identity instead of a key, logs every signature
where it can't be hidden, and verifies anywhere, offline.

See it happen on this machine:

  hallmark try

Your own instance:

  hallmark init my-instance
  hallmark serve -c my-instance/hallmark.yaml

Exit status: 0 yes, 1 refused, 2 usage or unreadable input, 3 could not decide. With --json,
results are lines of JSON on stdout; errors and notices are lines of JSON on stderr.`,
		SilenceErrors: true, SilenceUsage: true,
		Args:              cli.UsageArgs(cobra.NoArgs),
		PersistentPreRunE: cli.CheckFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if showVersion {
				return version(env)
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVar(&showVersion, "version", false, "print the version, as 'hallmark version' does")
	root.PersistentFlags().Bool("json", false, "print results, errors and notices as JSON, one a line") // read by wantsJSON
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetFlagErrorFunc(cli.FlagProblem)
	for _, verb := range []func(cli.Environment) *cobra.Command{
		tryCommand, initCommand, serveCommand, userCommand, issuerCommand, tokenCommand, whoamiCommand, trustCommand,
		signCommand, attestCommand, verifyCommand, inspectCommand, treeCommand, copyCommand, saveCommand, loadCommand, cleanCommand, downloadCommand, policyCommand, signBundleCommand, verifyBundleCommand,
		logCommand, witnessCommand, benchCommand, versionCommand,
	} {
		root.AddCommand(verb(env))
	}
	completeInstances(root, env)
	root.SetHelpCommand(helpCommand(root))
	root.InitDefaultCompletionCmd()
	for _, sub := range root.Commands() {
		if sub.Name() == "completion" {
			sub.Args = cli.UsageArgs(cobra.NoArgs)
			sub.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}

func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 && cmd.HasSubCommands() {
				return cli.UnknownVerb(cmd, args[len(args)-max(len(rest), 1)])
			}
			return cmd.Help()
		},
	}
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
