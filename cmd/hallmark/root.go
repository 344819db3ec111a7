package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hallmark-sign/hallmark/internal/verdict"
)

// execute runs the verb that args name and gives the exit status.
func execute(ctx context.Context, env environment, args []string) int {
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

Exit status: 0 yes, 1 refused, 2 usage or unreadable input, 3 could not decide.`,
		SilenceErrors: true, SilenceUsage: true,
		Args:              usageArgs(cobra.NoArgs),
		PersistentPreRunE: stdinOnce,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.SetIn(env.stdin)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError(cmd, err) })
	for _, verb := range []func(environment) *cobra.Command{
		tryCommand, initCommand, serveCommand, userCommand, tokenCommand, trustCommand,
		signCommand, attestCommand, verifyCommand, inspectCommand, treeCommand, copyCommand, saveCommand, loadCommand, cleanCommand, downloadCommand, policyCommand, signBundleCommand, verifyBundleCommand,
		logCommand, witnessCommand, benchCommand, versionCommand,
	} {
		root.AddCommand(verb(env))
	}
	return env.report(root.ExecuteContext(ctx))
}

// stdinOnce refuses a command line that reads standard input for two things.
func stdinOnce(cmd *cobra.Command, args []string) error {
	var uses []string
	for _, arg := range args {
		if arg == verdict.Stdin {
			uses = append(uses, "-")
		}
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.String() == verdict.Stdin || f.Value.String() == "["+verdict.Stdin+"]" {
			uses = append(uses, "--"+f.Name+" -")
		}
	})
	if len(uses) > 1 {
		return usageError(cmd, fmt.Errorf("standard input is read once, and was named for %s", strings.Join(uses, " and ")))
	}
	return nil
}

// usageArgs has a check of arguments answer with exit status 2.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError(cmd, err)
		}
		return nil
	}
}

func usageError(cmd *cobra.Command, err error) error {
	return &problem{Exit: exitUsage, Code: "usage", Err: err, Try: fmt.Sprintf("%s --help", cmd.CommandPath())}
}
