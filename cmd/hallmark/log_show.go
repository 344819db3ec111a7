package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/describe"
)

func logShowCommand(env cli.Environment) *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use:   "show LOG INDEX",
		Short: "Tell in words what an entry says",
		Long: `Prints the entry at INDEX, counted from 0, once it is proven to be in the log. That the log
has it does not make it true: 'hallmark verify' judges signatures. --json has it as it is.`,
		Example: `  hallmark log show https://sign.example.com 17
  hallmark log show my-instance/ct 3 --json`,
		Args: cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			index, err := number(cmd, args[1])
			if err != nil {
				return err
			}
			return f.show(cmd.Context(), env, args[0], index)
		},
	}
	f.add(cmd)
	return cmd
}

func (f logFlags) show(ctx context.Context, env cli.Environment, name string, index uint64) error {
	l, err := f.open(ctx, env, name)
	if err != nil {
		return err
	}
	for e, err := range l.Entries(ctx, l.head, index, index+1) {
		if err != nil {
			return l.problem(env, err)
		}
		if env.JSON {
			return env.PrintJSON(describe.NewEntry(l.head.Format, e))
		}
		if _, err := fmt.Fprint(env.Stdout, describe.Logged(l.head, e)); err != nil {
			return err
		}
	}
	return nil
}
