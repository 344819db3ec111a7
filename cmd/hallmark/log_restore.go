// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/operate"
)

func logRestoreCommand(env cli.Environment) *cobra.Command {
	var f operate.Restore
	cmd := &cobra.Command{
		Use:   "restore BACKUP LOGDIR",
		Short: "Restore a lost log from a backup, unless the log was seen with more entries",
		Long: `Makes LOGDIR, DIR/rekor or DIR/ct of an instance, a log that goes on from BACKUP, after
verifying all of it. LOGDIR must be missing or empty, and the instance's configuration and
trust files in place. It is all there afterwards, or nothing.

Entries that were acknowledged after the backup are not in it. If a client has seen them, a
log that goes on without them assigns their positions to other entries: it is forked, and all
that it has ever signed is in doubt. So restore checks that the log was not seen with more:

  - it asks the witnesses of the configuration. If one has cosigned more, it refuses. Where
    witnesses are required, and so many answer that nothing can have been cosigned without
    one of them, that is enough.
  - what the instance remembers beside LOGDIR, LOGDIR.begun, and in its other directories
    counts. If it was more, restore refuses.
  - --seen says what was seen last: a signed checkpoint, out of a monitor or a mirror; or a
    bundle that was made last, which has one in its log entry, and for the CT log the place of
    its certificate; or a number of entries.

Where there is more, find a newer backup. Where there is none, that log has ended: freeze what
there is, and begin the next with 'hallmark log rotate'.`,
		Example: `  hallmark log restore /mnt/backup/rekor my-instance/rekor
  hallmark log restore /mnt/backup/rekor my-instance/rekor --seen last-release.sigstore.json
  hallmark log restore /mnt/backup/ct my-instance/ct --seen checkpoint.txt`,
		Args: cli.UsageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Run(cmd.Context(), env, args[0], args[1])
		},
	}
	cli.AddConfig(cmd.Flags(), &f.Config, " (default: the one above LOGDIR)")
	cmd.Flags().StringArrayVar(&f.Seen, "seen", nil, "`FILE|SIZE` that the log was seen with last; may be repeated")
	cmd.Flags().BoolVar(&f.MayFork, "may-fork-unsafe", false, "go on if it is unknown what was seen last; if the log is known to have had more, restore still refuses")
	return cmd
}
