// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/operate"
)

func witnessCommand(env cli.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "witness",
		Short: "Keep logs honest: cosign what they show, if it is what they showed before",
		Long: `A witness cosigns the checkpoints of logs that it knows, each only once it is proven to
go on from the last. Clients that ask for cosignatures can't be shown a log of their own.
It implements C2SP tlog-witness, and must be run by another operator than the log's.`,
		Example: `  hallmark witness init my-witness --name witness.example.com --log "$(cat rekor.vkey)"
  hallmark witness serve my-witness`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(witnessInitCommand(env), witnessServeCommand(env))
	return cmd
}

func witnessInitCommand(env cli.Environment) *cobra.Command {
	var c operate.NewWitness
	cmd := &cobra.Command{
		Use:   "init DIR --name NAME [--log KEY]...",
		Short: "Make a witness: a key and its configuration",
		Long: `Makes DIR with a key under a passphrase, of ` + operate.PassphraseRule + `, and witness.yaml. DIR must be missing or empty.
The key of a log is in DIR/trust/rekor.vkey of its instance, and served as
/trust/rekor.vkey; logs can be added to witness.yaml later.

What the witness has cosigned is kept in DIR/state, and what that was at least in
DIR/state.begun. A witness whose state is lost, or older than that, is refused: make a new
one, with a new key.`,
		Example: `  hallmark witness init my-witness --name witness.example.com --log "$(cat rekor.vkey)"`,
		Args:    cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.Name == "" {
				return cli.UsageError(cmd, errors.New("--name is needed"))
			}
			return c.Make(cmd.Context(), env, args[0])
		},
	}
	cmd.Flags().StringVar(&c.Name, "name", "", "`NAME` on the cosignatures, a URL without scheme; can't be changed later")
	cmd.Flags().StringVar(&c.Listen, "listen", "127.0.0.1:7600", "address to listen on")
	cmd.Flags().StringArrayVar(&c.Logs, "log", nil, "verifier `KEY` of a log to cosign; may be repeated")
	cmd.Flags().StringVar(&c.PassphraseFile, "passphrase-file", "", "`FILE` with the passphrase for the key, of "+operate.PassphraseRule)
	return cmd
}

func witnessServeCommand(env cli.Environment) *cobra.Command {
	var f operate.Service
	cmd := &cobra.Command{
		Use:   "serve DIR",
		Short: "Run a witness",
		Long: `Runs the witness in DIR until SIGTERM or Ctrl-C. It answers POST /add-checkpoint, and
GET /healthz and /metrics for its operator. TLS certificates are read again when their
files change, and on SIGHUP.

The log goes to stderr, one JSON object a line; "not cosigned" at level ERROR may be
evidence of a log that lies.`,
		Example: `  hallmark witness serve my-witness
  HALLMARK_PASSPHRASE=… hallmark witness serve my-witness --listen 127.0.0.1:8080`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.Version, f.Commit = built()
			return f.ServeWitness(cmd.Context(), env, args[0])
		},
	}
	cmd.Flags().StringVar(&f.Listen, "listen", "", "address to listen on, instead of the configuration's")
	cmd.Flags().StringVar(&f.PassphraseFile, "passphrase-file", "", "`FILE` with the passphrase of the key")
	addLevel(cmd, &f.LogLevel)
	return cmd
}
