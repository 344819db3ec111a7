package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/describe"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/verdict"
)

// followFlags are those of log follow.
type followFlags struct {
	logFlags
	from, until uint64
	fromGiven   bool
	state       string
	interval    time.Duration
}

func logFollowCommand(env cli.Environment) *cobra.Command {
	var f followFlags
	cmd := &cobra.Command{
		Use:   "follow LOG",
		Short: "Print entries as they come, and watch that the log only grows",
		Long: `Prints each new entry as a line of JSON, until Ctrl-C: {"index","leafHash","body"}, of a CT
log "timestamp" and "precertificate", of other logs "entry". Each checkpoint must go on from
the last; a log that forks ends it with exit status 1 and both checkpoints. While the log
can't be reached, or shows an older checkpoint than before, as a cache that lags behind
does, it keeps trying and says so.

With --state the last checkpoint is kept in FILE: the next run goes on from there, and finds
what has happened to the log between the two. An entry may come twice if a run is broken
off, and none is left out.`,
		Example: `  hallmark log follow https://sign.example.com --from 0
  hallmark log follow https://sign.example.com/ct --state ct.checkpoint`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.interval <= 0 {
				return cli.UsageError(cmd, errors.New("--interval must be more than 0"))
			}
			f.fromGiven = cmd.Flags().Changed("from")
			return f.follow(cmd.Context(), env, args[0])
		},
	}
	f.add(cmd)
	cmd.Flags().Uint64Var(&f.from, "from", 0, "`INDEX` of the first entry (default: after --state, or the next that comes)")
	cmd.Flags().Uint64Var(&f.until, "until-size", 0, "end when the log has `N` entries, all printed")
	cmd.Flags().StringVar(&f.state, "state", "", "`FILE` with the last checkpoint that was seen; is written")
	cmd.Flags().DurationVar(&f.interval, "interval", 2*time.Second, "time between two looks at the log")
	return cmd
}

func (f followFlags) follow(ctx context.Context, env cli.Environment, name string) error {
	l, err := f.open(ctx, env, name)
	if err != nil {
		return err
	}
	o := logread.FollowOptions{
		From: l.head.Size, Until: f.until, Last: l.head, Interval: f.interval,
		Entry: func(e logread.Entry) error { return env.PrintJSON(describe.NewEntry(l.head.Format, e)) },
		Notice: func(err error) {
			what := "can't be read now"
			if errors.Is(err, logread.ErrStale) {
				what = "is behind"
			}
			env.Say("%s %s, trying again: %s", name, what, err.Error())
		},
	}
	if f.state != "" {
		o.Seen = f.keep
		o.Last, err = l.resume(f.state)
		if err != nil {
			return err
		}
	}
	switch {
	case f.fromGiven:
		o.From = f.from
	case f.state != "" && o.Last != nil:
		o.From = o.Last.Size
	}
	err = l.Follow(ctx, o)
	if ctx.Err() != nil {
		return nil // that is how it ends
	}
	l.showFork(env, err)
	return l.problem(env, err)
}

func (f followFlags) keep(h *logread.Head) error {
	if err := durable.WriteFile(f.state, h.Envelope, 0o644); err != nil {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: f.state, Code: "unwritable", Err: err}
	}
	return nil
}

// resume is the checkpoint that an earlier run has kept, nil if there was none.
func (l *openLog) resume(file string) (*logread.Head, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return l.kept(file)
}
