// SPDX-License-Identifier: Apache-2.0

package operate

import (
	"context"
	"errors"
	"fmt"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/issuer"
)

// PasswordRule says what a password must be like, for help texts.
const PasswordRule = issuer.PasswordRule

// Accounts manages the accounts of an instance's login.
type Accounts struct {
	Config       string // directory or configuration file of the instance
	PasswordFile string // empty: ask for the password
}

// OpenAccounts opens the accounts in dir.
func OpenAccounts(env cli.Environment, dir string) (*issuer.Accounts, error) {
	if env.CheapUnsafe {
		return issuer.OpenAccountsWith(dir, issuer.AccountsOptions{Cost: issuer.Cost{Time: 1, Memory: 8, Threads: 1}})
	}
	return issuer.OpenAccounts(dir)
}

func (a Accounts) open(env cli.Environment) (*issuer.Accounts, error) {
	c, err := config.Load(config.Find(a.Config))
	if err != nil {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: a.Config, Code: "configuration", Err: err}
	}
	return OpenAccounts(env, c.Path("issuer"))
}

// Add adds an account with a new password.
func (a Accounts) Add(ctx context.Context, env cli.Environment, email string) error {
	return a.setPassword(ctx, env, email, (*issuer.Accounts).Add, "added", "%s can log in")
}

// SetPassword replaces the password of an account.
func (a Accounts) SetPassword(ctx context.Context, env cli.Environment, email string) error {
	return a.setPassword(ctx, env, email, (*issuer.Accounts).SetPassword, "changed", "%s has another password")
}

// setPassword asks for a new password and passes it to set. done and words tell what
// happened, as in tellAccount.
func (a Accounts) setPassword(ctx context.Context, env cli.Environment, email string, set func(a *issuer.Accounts, email string, password []byte) error, done, words string) error {
	accounts, err := a.open(env)
	if err != nil {
		return err
	}
	password, err := env.Secret(ctx, "password", a.PasswordFile, "", issuer.PasswordRule)
	if err != nil {
		return err
	}
	if err := set(accounts, email, password); err != nil {
		return accountProblem(email, err)
	}
	return tellAccount(env, email, done, words)
}

// List prints the accounts.
func (a Accounts) List(env cli.Environment) error {
	accounts, err := a.open(env)
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
}

// Emails returns the addresses of the accounts, and none if they can't be read.
func (a Accounts) Emails(env cli.Environment) (emails []string) {
	accounts, err := a.open(env)
	if err != nil {
		return nil
	}
	all, _ := accounts.List()
	for _, account := range all {
		emails = append(emails, account.Email)
	}
	return emails
}

// Remove removes an account.
func (a Accounts) Remove(env cli.Environment, email string) error {
	accounts, err := a.open(env)
	if err != nil {
		return err
	}
	if err := accounts.Remove(email); err != nil {
		return accountProblem(email, err)
	}
	return tellAccount(env, email, "removed", "%s can't log in any more")
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
		return p.With("passwd")
	case errors.Is(err, issuer.ErrNoAccount):
		return p.With("list")
	}
	return p
}
