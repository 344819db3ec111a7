// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/issuer"
)

func userCommand(env cli.Environment) *cobra.Command {
	var configFile string
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Manage the accounts of an instance's login",
		Example: `  hallmark user add -c my-instance/hallmark.yaml alice@example.com
  hallmark user passwd -c my-instance/hallmark.yaml alice@example.com
  hallmark user list -c my-instance/hallmark.yaml`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cli.AddConfig(cmd.PersistentFlags(), &configFile, "")
	accounts := openAccounts(func(cmd *cobra.Command) (*issuer.Accounts, error) {
		if configFile == "" {
			return nil, cli.UsageError(cmd, errors.New("which instance? give -c DIR"))
		}
		c, err := config.Load(config.Find(configFile))
		if err != nil {
			return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: configFile, Code: "configuration", Err: err}
		}
		return accountsIn(env, c.Path("issuer"))
	})
	cmd.AddCommand(userAddCommand(env, accounts), userPasswdCommand(env, accounts), userListCommand(env, accounts), userRemoveCommand(env, accounts))
	return cmd
}

// accountsIn opens the accounts in dir.
func accountsIn(env cli.Environment, dir string) (*issuer.Accounts, error) {
	if env.CheapUnsafe {
		return issuer.OpenAccountsWith(dir, issuer.AccountsOptions{Cost: issuer.Cost{Time: 1, Memory: 8, Threads: 1}})
	}
	return issuer.OpenAccounts(dir)
}

// openAccounts opens the accounts of the instance that the flags select.
type openAccounts func(*cobra.Command) (*issuer.Accounts, error)

// complete returns the accounts of the instance for completion by shells.
func (open openAccounts) complete(cmd *cobra.Command, _ []string, _ string) (emails []cobra.Completion, _ cobra.ShellCompDirective) {
	accounts, err := open(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, _ := accounts.List()
	for _, account := range all {
		emails = append(emails, account.Email)
	}
	return emails, cobra.ShellCompDirectiveNoFileComp
}

func userAddCommand(env cli.Environment, open openAccounts) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add EMAIL",
		Short: "Add an account",
		Long: `Adds an account that can log in and sign as EMAIL, at once: a running server sees it.
You vouch that the address belongs to whoever gets the password, which has
` + issuer.PasswordRule + `. Its holder can change it on the login page.`,
		Example: `  hallmark user add -c my-instance/hallmark.yaml alice@example.com`,
		Args:    cli.UsageArgs(cobra.ExactArgs(1)),
	}
	takePassword(cmd, env, open, (*issuer.Accounts).Add, "added", "%s can log in")
	return cmd
}

// takePassword makes cmd ask for a new password and pass it to set, with the account that
// is named. done and words tell what happened, as in tellAccount.
func takePassword(cmd *cobra.Command, env cli.Environment, open openAccounts, set func(a *issuer.Accounts, email string, password []byte) error, done, words string) {
	var file string
	cmd.Flags().StringVar(&file, "password-file", "", "`FILE` with the password, of "+issuer.PasswordRule+" (default: a prompt)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		accounts, err := open(cmd)
		if err != nil {
			return err
		}
		password, err := env.Secret(cmd.Context(), "password", file, "", issuer.PasswordRule)
		if err != nil {
			return err
		}
		if err := set(accounts, args[0], password); err != nil {
			return accountProblem(args[0], err)
		}
		return tellAccount(env, args[0], done, words)
	}
}

func userPasswdCommand(env cli.Environment, open openAccounts) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "passwd EMAIL",
		Short: "Give an account another password",
		Long: `Gives the account EMAIL another password, at once: a running server sees it. The account
stays the same one: the sub of its tokens does not change. There are no sessions that
would go on; a token that somebody has got with the old password is good for its ten minutes.

A password has ` + issuer.PasswordRule + `.
People who know theirs change it themselves, on the page URL/login/password-change.`,
		Example:           `  hallmark user passwd -c my-instance/hallmark.yaml alice@example.com`,
		Args:              cli.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: open.complete,
	}
	takePassword(cmd, env, open, (*issuer.Accounts).SetPassword, "changed", "%s has another password")
	return cmd
}

// tellAccount prints what was done to an account; words have a place for its address.
func tellAccount(env cli.Environment, email, done, words string) error {
	if env.JSON {
		return env.PrintJSON(map[string]string{"email": email, "done": done})
	}
	env.Say(words, email)
	return nil
}

// accountProblem returns the problem for a change of an account that failed.
func accountProblem(email string, err error) error {
	if durable.Failing(err) {
		return cli.DiskProblem(email, err)
	}
	p := &fault.Problem{Exit: fault.ExitRefused, Subject: email, Code: "account-refused", Err: err}
	switch {
	case errors.Is(err, issuer.ErrExists):
		p.Try = "hallmark user passwd, for another password"
	case errors.Is(err, issuer.ErrNoAccount):
		p.Try = "hallmark user list"
	}
	return p
}

func userListCommand(env cli.Environment, open openAccounts) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the accounts",
		Example: `  hallmark user list -c my-instance/hallmark.yaml --json`,
		Args:    cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			accounts, err := open(cmd)
			if err != nil {
				return err
			}
			all, err := accounts.List()
			if err != nil {
				return err
			}
			for _, account := range all {
				if env.JSON {
					err = env.PrintJSON(account)
				} else {
					_, err = fmt.Fprintln(env.Stdout, account.Email)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	return cmd
}

func userRemoveCommand(env cli.Environment, open openAccounts) *cobra.Command {
	return &cobra.Command{
		Use:               "remove EMAIL",
		Short:             "Remove an account; what it has signed stays signed",
		Example:           `  hallmark user remove -c my-instance/hallmark.yaml alice@example.com`,
		Args:              cli.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: open.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			accounts, err := open(cmd)
			if err != nil {
				return err
			}
			if err := accounts.Remove(args[0]); err != nil {
				return accountProblem(args[0], err)
			}
			return tellAccount(env, args[0], "removed", "%s can't log in any more")
		},
	}
}
