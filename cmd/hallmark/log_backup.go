// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/logbackup"
	"github.com/hallmark-sign/hallmark/internal/ownlog"
)

// logBackupFlags are those of log backup.
type logBackupFlags struct {
	config string
	full   bool
}

func logBackupCommand(env cli.Environment) *cobra.Command {
	var f logBackupFlags
	cmd := &cobra.Command{
		Use:   "backup DIR|LOGDIR TARGET",
		Short: "Copy the logs of an instance while it serves",
		Long: `Copies the logs of the instance in DIR to TARGET/rekor, TARGET/ct and, after a rotation,
TARGET/rekor-2; or the one in LOGDIR, such as DIR/rekor, to TARGET: what their checkpoints cover
when it begins. The instance may serve; no passphrase is needed.

All that is copied is verified, from the entries up to the signed checkpoint, before it is
written, and the checkpoint comes last: whatever ends the run, TARGET is a whole backup, of
now or of the last time, and the next run goes on. That one reads what is new, and proves that
the log goes on from the backup; --full reads and verifies everything in the backup, and copies
what is damaged there once more.

Entries that were acknowledged in the last moment may not be in it: see 'log restore'.`,
		Example: `  hallmark log backup my-instance /mnt/backup
  hallmark log backup my-instance/rekor /mnt/backup/rekor --full --json`,
		Args: cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), env, args[0], args[1])
		},
	}
	cli.AddConfig(cmd.Flags(), &f.config, " (default: the one above LOGDIR)")
	cmd.Flags().BoolVar(&f.full, "full", false, "verify everything in the backup, and mend it")
	return cmd
}

func (f logBackupFlags) run(ctx context.Context, env cli.Environment, source, target string) error {
	logs, copies, err := ownlog.PlanBackup(f.config, source, target)
	if err != nil {
		return err
	}
	var failed fault.Failures
	for _, one := range copies {
		if err := f.one(ctx, env, logs, one.From, one.To); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return failed.OrNil()
}

func (f logBackupFlags) one(ctx context.Context, env cli.Environment, logs *ownlog.Logs, source, target string) error {
	tree, _, err := logs.Open(source)
	if err != nil {
		return err
	}
	s, err := logbackup.Backup(ctx, tree, durable.OS{}, target, logbackup.Options{Full: f.full, Progress: env.Progress("backed up", "entries")})
	switch {
	case errors.Is(err, logread.ErrDamaged):
		return ownlog.Problem(source, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return &fault.Problem{Exit: fault.ExitUsage, Subject: target, Code: "unwritable", Err: err}
	}
	if err != nil {
		return ownlog.Problem(target, err)
	}
	return tellLog(env, "backed up", tree, s)
}

// logSummary is what was done, for people and machines.
type logSummary struct {
	Origin   string `json:"origin"`
	Size     uint64 `json:"size"`
	RootHash string `json:"rootHash"`
	Copied   int    `json:"filesCopied"`
	Skipped  int    `json:"filesSkipped"`
	Bytes    int64  `json:"bytesCopied"`
}

// tellLog prints what was done to a log.
func tellLog(env cli.Environment, verb string, tree *logbackup.Tree, s logbackup.Summary) error {
	if env.JSON {
		return env.PrintJSON(logSummary{tree.Head.Origin, s.Size, s.Root.String(), s.Copied, s.Skipped, s.Bytes})
	}
	env.Say("%s %s: %s, root %s; %s copied, %d there already, %d bytes", verb, tree.Head.Origin,
		cli.Counted(s.Size, "entry", "entries"), s.Root, cli.Counted(s.Copied, "file", "files"), s.Skipped, s.Bytes)
	return nil
}
