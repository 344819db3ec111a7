package main

import "github.com/spf13/cobra"

func logCommand(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "log",
		Short:   "Look after a transparency log",
		Example: `  hallmark log rotate -c my-instance/hallmark.yaml --url https://log2.sign.example.com`,
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(logRotateCommand(env))
	return cmd
}
