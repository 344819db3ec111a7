// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/operate"
)

func logBackupCommand(env cli.Environment) *cobra.Command {
	var f operate.Backup
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
			return f.Run(cmd.Context(), env, args[0], args[1])
		},
	}
	cli.AddConfig(cmd.Flags(), &f.Config, " (default: the one above LOGDIR)")
	cmd.Flags().BoolVar(&f.Full, "full", false, "verify everything in the backup, and mend it")
	return cmd
}
