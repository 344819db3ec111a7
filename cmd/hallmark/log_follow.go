// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/readlog"
)

func logFollowCommand(env cli.Environment) *cobra.Command {
	var f readlog.Following
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
			if f.Interval <= 0 {
				return cli.UsageError(cmd, errors.New("--interval must be more than 0"))
			}
			f.FromGiven = cmd.Flags().Changed("from")
			return f.Follow(cmd.Context(), env, args[0])
		},
	}
	addLog(cmd, &f.Flags)
	cmd.Flags().Uint64Var(&f.From, "from", 0, "`INDEX` of the first entry (default: after --state, or the next that comes)")
	cmd.Flags().Uint64Var(&f.Until, "until-size", 0, "end when the log has `N` entries, all printed")
	cmd.Flags().StringVar(&f.State, "state", "", "`FILE` with the last checkpoint that was seen; is written")
	cmd.Flags().DurationVar(&f.Interval, "interval", 2*time.Second, "time between two looks at the log")
	return cmd
}
