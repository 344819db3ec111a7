package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/ownlog"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/trust/store"
)

// rotateFlags are those of log rotate.
type rotateFlags struct {
	config, url, passphraseFile string
	yes                         bool
}

func logRotateCommand(env cli.Environment) *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate -c DIR --url URL",
		Short: "End an instance's transparency log and begin the next",
		Long: `Freezes the log that takes entries: its last checkpoint says so and it never takes another.
Begins the next one, with a new key, at URL, whose host name must lead to this instance and
be no other log's: clients know logs by it. Both are in the trusted root, each with the time
it counts for, so what was signed before verifies as before. The instance goes on serving
the frozen log to those who read it.

The instance must not be running. An interrupted rotation is ended by doing it again.
Clients need the trust files again: 'hallmark trust add', with the fingerprint that is
printed. Witnesses need the new log's key, which is printed too.`,
		Example: `  hallmark log rotate -c my-instance/hallmark.yaml --url https://log2.sign.example.com`,
		Args:    cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.config == "" || f.url == "" {
				return cli.UsageError(cmd, errors.New("-c and --url are needed"))
			}
			return f.rotate(cmd.Context(), env)
		},
	}
	cli.AddConfig(cmd.Flags(), &f.config, "")
	cmd.Flags().StringVar(&f.url, "url", "", "base `URL` of the next log: https://HOST")
	cmd.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", "`FILE` with the passphrase of the keys")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	return cmd
}

func (f rotateFlags) rotate(ctx context.Context, env cli.Environment) error {
	logger := slog.New(slog.NewJSONHandler(env.Machine(), &slog.HandlerOptions{Level: slog.LevelError}))
	resumed, err := instance.ResumeRotation(config.Find(f.config), logger)
	if err != nil {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: f.config, Code: "configuration", Err: err}
	}
	if resumed {
		return f.tellNext(env, "")
	}
	passphrase, err := env.Secret(ctx, "passphrase", f.passphraseFile, "HALLMARK_PASSPHRASE", "")
	if err != nil {
		return err
	}
	i, err := openInstance(f.config, passphrase)
	if err != nil {
		return err
	}
	if err := i.CheckRotation(f.url); errors.Is(err, instance.ErrDemand) {
		return demandProblem(i.Config.Dir, err)
	} else if err != nil {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: f.url, Code: "configuration", Err: err, Try: "--url https://ANOTHER-HOST"}
	}
	old := i.Root.Logs[len(i.Root.Logs)-1].BaseURL
	if err := f.confirm(ctx, env, old); err != nil {
		return err
	}
	if err := freeze(ctx, i, logger); err != nil {
		return err
	}
	rekor, note, err := i.NextKeys(passphrase)
	if err == nil {
		err = i.Rotate(f.url, rekor, note, time.Now())
	}
	if err == nil {
		err = i.WriteTrust(i.Config.Dir)
	}
	if err == nil {
		err = i.PublishLogPolicy(0, logger) // else the fingerprint that is printed is soon another
	}
	if err != nil {
		return fmt.Errorf("%w; the log is frozen: do it again", err)
	}
	return f.tellNext(env, old)
}

// tellNext says which log was frozen, unless an earlier run has done that, and what is to
// be done after a rotation.
func (f rotateFlags) tellNext(env cli.Environment, frozen string) error {
	logs, err := ownlog.Open(f.config, "")
	if err != nil {
		return err
	}
	current := logs.Root.Logs[len(logs.Root.Logs)-1].BaseURL
	m, err := store.Read(logs.Config.Path("trust"))
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(struct {
			Frozen      string `json:"frozen,omitempty"`
			Log         string `json:"log"`
			Fingerprint string `json:"fingerprint"`
		}{frozen, current, m.Fingerprint()})
	}
	if frozen == "" {
		env.Say("%s: the rotation that was interrupted is ended", f.config)
	} else {
		env.Say("froze the log at %s; entries go to %s", frozen, current)
	}
	if logs.Config.Witnesses != nil {
		key, err := verdict.ReadFile(logs.Config.Path("trust", trust.LogKeyFile), 1<<10)
		if err != nil {
			return err
		}
		env.Say("  witnesses    each has to know the new log: in its %s, under logs, then %s witness serve again:", config.WitnessFile, env.Command())
		env.Say("    - %s", strings.TrimSpace(string(key)))
	}
	env.Say("  fingerprint  %s", m.Fingerprint())
	env.Say("  run it       %s serve -c %s", env.Command(), verdict.Quoted(f.config))
	env.Say("  clients      %s trust add %s", env.Command(), logs.Config.URL)
	return nil
}

func (f rotateFlags) confirm(ctx context.Context, env cli.Environment, old string) error {
	if f.yes {
		return nil
	}
	return env.Confirm(ctx, fmt.Sprintf("freeze the log at %s for good?", old), "--yes")
}

func freeze(ctx context.Context, i *instance.Instance, logger *slog.Logger) error {
	witnesses, err := instance.Witnesses(i.Config)
	if err != nil {
		return err
	}
	err = i.FreezeLog(ctx, witnesses, logger)
	if lost := lostLog(err); lost != nil {
		return lost
	}
	if errors.Is(err, durable.ErrLocked) {
		return &verdict.Problem{Exit: verdict.ExitUndecided, Subject: i.Config.Dir, Code: "instance-locked", Err: errors.New("the instance is running"), Try: "stop it, and do it again"}
	}
	return err
}
