package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/keys"
	"github.com/hallmark-sign/hallmark/internal/server"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/internal/witness"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

const (
	witnessKeyFile = "witness.pem"
	witnessState   = "state"
	witnessRemedy  = "put the newest state back; if it is lost, make a new witness with a new key"
)

func witnessCommand(env cli.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "witness",
		Short: "Keep logs honest: cosign what they show, if it is what they showed before",
		Long: `A witness cosigns the checkpoints of logs that it knows, each only once it is proven to
go on from the last. Clients that ask for cosignatures can't be shown a log of their own.
It speaks C2SP tlog-witness, and is run by somebody else than the log.`,
		Example: `  hallmark witness init my-witness --name witness.example.com --log "$(cat rekor.vkey)"
  hallmark witness serve my-witness`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(witnessInitCommand(env), witnessServeCommand(env))
	return cmd
}

func witnessInitCommand(env cli.Environment) *cobra.Command {
	var c config.Witness
	var passphraseFile string
	cmd := &cobra.Command{
		Use:   "init DIR --name NAME [--log KEY]...",
		Short: "Make a witness: a key and its configuration",
		Long: `Makes DIR with a key under a passphrase, of ` + keys.PassphraseRule + `, and witness.yaml. DIR must be missing or empty.
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
			return initWitness(cmd.Context(), env, args[0], &c, passphraseFile)
		},
	}
	cmd.Flags().StringVar(&c.Name, "name", "", "`NAME` on the cosignatures, a URL without scheme; can't be changed later")
	cmd.Flags().StringVar(&c.Listen, "listen", "127.0.0.1:7600", "address to listen on")
	cmd.Flags().StringArrayVar(&c.Logs, "log", nil, "verifier `KEY` of a log to cosign; may be repeated")
	cmd.Flags().StringVar(&passphraseFile, "passphrase-file", "", "`FILE` with the passphrase for the key, of "+keys.PassphraseRule)
	return cmd
}

func initWitness(ctx context.Context, env cli.Environment, dir string, c *config.Witness, passphraseFile string) error {
	key, err := keys.Generate("ed25519")
	if err != nil {
		return err
	}
	public := checkpoint.Key{Name: c.Name, Public: key.Public().(ed25519.PublicKey), Cosigning: true}
	_, err = checkpoint.ParseKey(public.String())
	if strings.Contains(c.Name, "://") {
		err = fmt.Errorf("%q has a scheme: want a name like witness.example.com", c.Name)
	}
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: dir, Code: "configuration", Err: err, Try: env.Command() + " witness init --help"}
	}
	passphrase, err := env.Secret(ctx, "passphrase", passphraseFile, "HALLMARK_PASSPHRASE", keys.PassphraseRule)
	if err != nil {
		return err
	}
	pem, err := keys.MarshalEncrypted(key, passphrase)
	if err != nil {
		return err
	}
	settings, err := c.Marshal()
	if err != nil {
		return err
	}
	err = durable.CreateDir(dir, 0o755, func(dir string) error {
		var files durable.Batch
		return errors.Join(
			durable.MkdirAll(durable.OS{}, filepath.Join(dir, witnessState), 0o755),
			files.Write(filepath.Join(dir, witnessKeyFile), pem, 0o600),
			files.Write(filepath.Join(dir, config.WitnessFile), settings, 0o644),
			files.Sync())
	})
	if err != nil {
		return exists(dir, err)
	}
	if env.JSON {
		return env.PrintJSON(map[string]string{"dir": dir, "name": c.Name, "key": public.String()})
	}
	env.Say("made the witness %s in %s", c.Name, dir)
	sayLeft(env, dir)
	env.Say("  its key      %s", public)
	env.Say("  add logs     under logs in %s", filepath.Join(dir, config.WitnessFile))
	env.Say("  run it       %s witness serve %s", env.Command(), dir)
	return nil
}

func witnessServeCommand(env cli.Environment) *cobra.Command {
	var f serveFlags
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
			return f.inJSON(env, func(logger *slog.Logger) error { return f.witness(cmd.Context(), env, logger, args[0]) })
		},
	}
	cmd.Flags().StringVar(&f.listen, "listen", "", "address to listen on, instead of the configuration's")
	cmd.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", "`FILE` with the passphrase of the key")
	f.addLevel(cmd)
	return cmd
}

func (f serveFlags) witness(ctx context.Context, env cli.Environment, logger *slog.Logger, dir string) error {
	c, err := config.LoadWitness(filepath.Join(dir, config.WitnessFile))
	if err == nil && f.listen != "" {
		c.Listen = f.listen
		err = c.Check()
	}
	if err != nil {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: dir, Code: "configuration", Err: err, Try: env.Command() + " witness init " + dir}
	}
	key, err := f.witnessKey(ctx, env, c)
	if err != nil {
		return err
	}
	w, err := openWitness(c, key, logger)
	if err != nil {
		return err
	}
	l, err := listen(c.Listen)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	hangups, ignore := hangups()
	defer ignore()
	service := server.Service{
		Handler: server.WitnessHandler(w, logger), Logger: logger, Reload: hangups, Close: func(context.Context) error { return w.Close() },
		Announce: func() {
			logger.Info("serving", "witness", c.Name, "logs", len(c.Logs), "address", l.Addr().String(), "tls", c.TLS != nil)
		},
	}
	if c.TLS != nil {
		service.Certificate, service.Key = c.Path(c.TLS.Certificate), c.Path(c.TLS.Key)
	}
	return servingProblem(dir, service.Answer(ctx, l))
}

func (f serveFlags) witnessKey(ctx context.Context, env cli.Environment, c *config.Witness) (ed25519.PrivateKey, error) {
	path := c.Path(witnessKeyFile)
	key, err := cli.LoadKey(ctx, env, path, f.passphraseFile)
	if err != nil {
		return nil, err
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, verdict.Unreadable(path, fmt.Errorf("the key of a witness is Ed25519, not %T", key))
	}
	return private, nil
}

// openWitness refuses a directory without its state: with the key alone, a witness
// would cosign what it has refused before.
func openWitness(c *config.Witness, key ed25519.PrivateKey, logger *slog.Logger) (*witness.Witness, error) {
	logs, err := c.Keys()
	if err != nil {
		return nil, err
	}
	state := c.Path(witnessState)
	if _, err := os.Stat(state); err != nil {
		return nil, &verdict.Problem{
			Exit: verdict.ExitUsage, Subject: state, Code: "witness-state", Try: witnessRemedy,
			Err: fmt.Errorf("what the witness has cosigned is not there: %w", err),
		}
	}
	w, err := witness.New(witness.Options{Dir: state, Name: c.Name, Key: key, Logs: logs, Clock: time.Now, Logger: logger})
	switch {
	case errors.Is(err, durable.ErrLocked):
		return nil, &verdict.Problem{Exit: verdict.ExitUndecided, Subject: c.Dir, Code: "instance-locked", Err: fmt.Errorf("another process is this witness: %w", err)}
	case durable.Failing(err):
		return nil, cli.DiskProblem(state, err)
	case errors.Is(err, witness.ErrWentBack):
		return nil, &verdict.Problem{Exit: verdict.ExitUsage, Subject: state, Code: "witness-state", Err: err, Try: witnessRemedy}
	case err != nil:
		return nil, &verdict.Problem{Exit: verdict.ExitUsage, Subject: state, Code: "witness-state", Err: err}
	}
	return w, nil
}
