// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/operate"
)

func userCommand(env cli.Environment) *cobra.Command {
	var f userFlags
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Manage the accounts of an instance's login",
		Example: `  hallmark user add -c my-instance/hallmark.yaml alice@example.com
  hallmark user passwd -c my-instance/hallmark.yaml alice@example.com
  hallmark user list -c my-instance/hallmark.yaml`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cli.AddConfig(cmd.PersistentFlags(), &f.Config, "")
	cmd.AddCommand(f.addCommand(env), f.passwdCommand(env), f.listCommand(env), f.removeCommand(env))
	return cmd
}

// userFlags holds the flags of user and its verbs.
type userFlags struct{ operate.Accounts }

// check wants to know the instance.
func (f *userFlags) check(cmd *cobra.Command) error {
	if f.Config == "" {
		return cli.UsageError(cmd, errors.New("which instance? give -c DIR"))
	}
	return nil
}

// complete returns the accounts of the instance for completion by shells.
func (f *userFlags) complete(env cli.Environment) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return f.Emails(env), cobra.ShellCompDirectiveNoFileComp
	}
}

// addPassword adds the flag of a verb that takes a new password.
func (f *userFlags) addPassword(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.PasswordFile, "password-file", "", "`FILE` with the password, of "+operate.PasswordRule+" (default: a prompt)")
}

func (f *userFlags) addCommand(env cli.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add EMAIL",
		Short: "Add an account",
		Long: `Adds an account that can log in and sign as EMAIL, at once: a running server sees it.
You vouch that the address belongs to the person who gets the password, which has
` + operate.PasswordRule + `. Its holder can change it on the login page.`,
		Example: `  hallmark user add -c my-instance/hallmark.yaml alice@example.com`,
		Args:    cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return f.Add(cmd.Context(), env, args[0])
		},
	}
	f.addPassword(cmd)
	return cmd
}

func (f *userFlags) passwdCommand(env cli.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "passwd EMAIL",
		Short: "Give an account another password",
		Long: `Gives the account EMAIL another password, at once: a running server sees it. The account
stays the same one: the sub of its tokens does not change. There are no sessions to
end; a token that was issued for the old password stays valid for its ten minutes.

A password has ` + operate.PasswordRule + `.
People who know theirs change it themselves, on the page URL/login/password-change.`,
		Example:           `  hallmark user passwd -c my-instance/hallmark.yaml alice@example.com`,
		Args:              cli.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: f.complete(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return f.SetPassword(cmd.Context(), env, args[0])
		},
	}
	f.addPassword(cmd)
	return cmd
}

func (f *userFlags) listCommand(env cli.Environment) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the accounts",
		Example: `  hallmark user list -c my-instance/hallmark.yaml --json`,
		Args:    cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return f.List(env)
		},
	}
}

func (f *userFlags) removeCommand(env cli.Environment) *cobra.Command {
	return &cobra.Command{
		Use:               "remove EMAIL",
		Short:             "Remove an account; what it has signed stays signed",
		Example:           `  hallmark user remove -c my-instance/hallmark.yaml alice@example.com`,
		Args:              cli.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: f.complete(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return f.Remove(env, args[0])
		},
	}
}
