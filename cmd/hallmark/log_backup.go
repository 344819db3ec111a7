package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/logbackup"
	"github.com/hallmark-sign/hallmark/internal/verdict"
)

// logBackupFlags are those of log backup.
type logBackupFlags struct {
	config string
	full   bool
}

func logBackupCommand(env environment) *cobra.Command {
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
		Args: usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), env, args[0], args[1])
		},
	}
	addConfig(cmd.Flags(), &f.config, " (default: the one above LOGDIR)")
	cmd.Flags().BoolVar(&f.full, "full", false, "verify everything in the backup, and mend it")
	return cmd
}

func (f logBackupFlags) run(ctx context.Context, env environment, source, target string) error {
	if !isInstance(source) {
		if _, err := os.Stat(filepath.Join(source, "checkpoint")); errors.Is(err, fs.ErrNotExist) {
			return unreadable(source, fmt.Errorf("it is no instance, which has %s, and no log, which has a checkpoint", config.File))
		}
		logs, err := openLogs(f.config, source)
		if err != nil {
			return err
		}
		return f.one(ctx, env, logs, source, target)
	}
	logs, err := openLogs(source, "")
	if err != nil {
		return err
	}
	if err := checkBackup(target); err != nil {
		return err
	}
	var failed failures
	for _, one := range logs.all {
		if err := f.one(ctx, env, logs, filepath.Join(source, one.dir), filepath.Join(target, one.dir)); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return failed.OrNil()
}

// checkBackup refuses a directory that has other things than backups of logs.
func checkBackup(target string) error {
	entries, err := os.ReadDir(target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &problem{Exit: exitUsage, Subject: target, Code: "unwritable", Err: err}
	}
	for _, entry := range entries {
		if name := entry.Name(); name != "ct" && name != "lost+found" && !strings.HasPrefix(name, "rekor") && !strings.HasPrefix(name, ".") {
			return &problem{
				Exit: exitUsage, Subject: target, Code: "exists", Err: fmt.Errorf("%s is in it, which is of no backup", name), Try: "a directory of its own, such as " + verdict.Quoted(filepath.Join(target, "hallmark-backup")),
			}
		}
	}
	return nil
}

func (f logBackupFlags) one(ctx context.Context, env environment, logs *ownLogs, source, target string) error {
	tree, _, err := logs.open(source)
	if err != nil {
		return err
	}
	s, err := logbackup.Backup(ctx, tree, durable.OS{}, target, logbackup.Options{Full: f.full, Progress: env.progress("backed up", "entries")})
	switch {
	case errors.Is(err, logread.ErrDamaged):
		return logProblem(source, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return &problem{Exit: exitUsage, Subject: target, Code: "unwritable", Err: err}
	}
	if err != nil {
		return logProblem(target, err)
	}
	return env.tell("backed up", tree, s)
}
