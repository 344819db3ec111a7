// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/x509"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/signing"
	"github.com/hallmark-sign/hallmark/internal/trusting"
)

// tokenFlags say where an ID token comes from.
type tokenFlags struct {
	token        string // file or value
	issuer       string
	email        string
	passwordFile string
	device       bool

	roots *x509.CertPool // whose TLS certificate the issuer may have; nil: the system's
}

func (f *tokenFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.token, "identity-token", "", "ID token, as `FILE` or value (default: SIGSTORE_ID_TOKEN, then the CI's own, then a login)")
	f.addLogin(cmd)
}

func (f *tokenFlags) addLogin(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.issuer, "login-issuer", "", "OpenID issuer `URL` to log in at (default: the instance's)")
	cmd.Flags().StringVar(&f.email, "email", "", "account of the instance's own login to use without a browser")
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "", "`FILE` with the password of --email (default: a prompt)")
	cmd.Flags().BoolVar(&f.device, "device", false, "log in with a code on another device, without opening a browser here")
}

func tokenCommand(env cli.Environment) *cobra.Command {
	var f tokenFlags
	var t trusting.Selection
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print an ID token",
		Long: `Logs in and prints the ID token on stdout, for scripts and other clients. It is good for
minutes, and whoever has it can sign as you.

With --email and --password-file nobody has to be there.`,
		Example: `  hallmark token > token.txt
  hallmark token --email alice@example.com --password-file password.txt
  SIGSTORE_ID_TOKEN=$(hallmark token) cosign sign-blob ...`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.roots, err = t.Authorities(env); err != nil {
				return err
			}
			issuer := f.issuer
			if issuer == "" {
				config, err := t.Config(env)
				if err != nil {
					return err
				}
				services, err := client.Open(config, time.Now(), env.HTTP(f.roots, time.Minute))
				if err != nil {
					return err
				}
				issuer = services.OIDC
			}
			token, err := f.source(env).Login(cmd.Context(), issuer)
			if err != nil {
				return err
			}
			if env.JSON {
				return env.PrintJSON(map[string]string{"token": token})
			}
			if file, ok := env.Stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
				token += "\n" // which other clients take for part of it, in a file
			}
			_, err = io.WriteString(env.Stdout, token)
			return err
		},
	}
	addTrust(cmd, &t, true)
	addCACert(cmd, &t)
	f.addLogin(cmd)
	return cmd
}

// source returns where a token comes from, with the terminal as what is asked.
func (f tokenFlags) source(env cli.Environment) signing.Login {
	_, terminal := env.Terminal()
	return signing.Login{
		Given: f.token, Issuer: f.issuer, Email: f.email, Device: f.device,
		Roots: f.roots, Getenv: env.Getenv, Terminal: terminal, ReadSecret: cli.ReadSecret, Prompt: env.Stderr,
		Password: func(ctx context.Context) ([]byte, error) {
			return env.Secret(ctx, "password", f.passwordFile, "", "")
		},
	}
}
