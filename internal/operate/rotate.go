// SPDX-License-Identifier: Apache-2.0

package operate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/ownlog"
	"github.com/hallmark-sign/hallmark/trust/store"
)

// A Rotation ends the transparency log of an instance and begins the next.
type Rotation struct {
	Config         string // directory or configuration file of the instance
	URL            string // base URL of the next log
	PassphraseFile string // empty: ask for the passphrase
	Yes            bool   // do not ask
}

// Run freezes the current log and begins the next, or ends a rotation that was interrupted.
func (f Rotation) Run(ctx context.Context, env cli.Environment) error {
	logger := slog.New(slog.NewJSONHandler(env.Machine(), &slog.HandlerOptions{Level: slog.LevelError}))
	resumed, err := instance.ResumeRotation(config.Find(f.Config), logger)
	if err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: f.Config, Code: "configuration", Err: err}
	}
	if resumed {
		return f.tellNext(env, "")
	}
	passphrase, err := env.Secret(ctx, "passphrase", f.PassphraseFile, "HALLMARK_PASSPHRASE", "")
	if err != nil {
		return err
	}
	i, err := OpenInstance(f.Config, passphrase)
	if err != nil {
		return err
	}
	if err := i.CheckRotation(f.URL); errors.Is(err, instance.ErrDemand) {
		return demandProblem(i.Config.Dir, err)
	} else if err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: f.URL, Code: "configuration", Err: err, Remedy: "other-url"}
	}
	old := i.Root.Logs[len(i.Root.Logs)-1].BaseURL
	if err := f.confirm(ctx, env, old); err != nil {
		return err
	}
	if err := freeze(ctx, i, logger); err != nil {
		return err
	}
	rekor, note, err := i.NextKeys(instance.Options{Passphrase: passphrase, CheapKeysUnsafe: env.CheapUnsafe})
	if err == nil {
		err = i.Rotate(f.URL, rekor, note, time.Now())
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

// tellNext prints what to do after a rotation, and which log was frozen unless an earlier run
// froze it.
func (f Rotation) tellNext(env cli.Environment, frozen string) error {
	logs, err := ownlog.Open(f.Config, "")
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
		env.Say("%s: the rotation that was interrupted is ended", f.Config)
	} else {
		env.Say("froze the log at %s; entries go to %s", frozen, current)
	}
	if logs.Config.Witnesses != nil {
		key, err := instance.PublishedLogKey(logs.Config)
		if err != nil {
			return err
		}
		env.Say("  witnesses    each has to know the new log: in its %s, under logs, then %s witness serve again:", config.WitnessFile, env.Command())
		env.Say("    - %s", key)
	}
	env.Say("  fingerprint  %s", m.Fingerprint())
	env.Say("  run it       %s serve -c %s", env.Command(), fault.Quoted(f.Config))
	env.Say("  clients      %s trust add %s", env.Command(), logs.Config.URL)
	return nil
}

func (f Rotation) confirm(ctx context.Context, env cli.Environment, old string) error {
	if f.Yes {
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
		return &fault.Problem{Exit: fault.ExitUndecided, Subject: i.Config.Dir, Code: "instance-locked", Err: errors.New("the instance is running"), Remedy: "stop"}
	}
	return err
}
