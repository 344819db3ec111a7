// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/readlog"
)

func logCommand(env cli.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Read, check and look after a transparency log",
		Long: `To read, LOG is a URL or a directory. URLs: of an instance or another Rekor v2 log, of a
CT log (…/ct, or the monitoring prefix of any static-ct log), of anything in the layout of
tlog-tiles. Directories: rekor/ and ct/ of an instance, also while it runs, or a copy.

The log's key is in the trusted root of an instance. For another log say --log-key and
--origin. Nothing is printed that does not lead to a checkpoint with the log's signature.`,
		Example: `  hallmark log check my-instance/rekor
  hallmark log show https://sign.example.com 17
  hallmark log follow https://sign.example.com --state rekor.checkpoint
  hallmark log backup my-instance /mnt/backup
  hallmark log rotate -c my-instance/hallmark.yaml --url https://log2.sign.example.com`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		logCheckCommand(env), logShowCommand(env), logProveCommand(env), logConsistencyCommand(env), logFollowCommand(env),
		logBackupCommand(env), logRestoreCommand(env), logRotateCommand(env))
	return cmd
}

// addLog adds the flags of every verb about a log.
func addLog(cmd *cobra.Command, f *readlog.Flags) {
	addTrust(cmd, &f.Trust, false)
	addCACert(cmd, &f.Trust)
	cmd.Flags().StringVar(&f.Key, "log-key", "", "the log's `KEY` instead of a trusted root: a verifier key (name+id+key), or a PEM file with --origin")
	cmd.Flags().StringVar(&f.Origin, "origin", "", "first `LINE` of the log's checkpoints (default: the name in --log-key)")
	cli.AddTimeout(cmd, &f.Timeout, time.Minute)
}

// number reads a size or an index.
func number(cmd *cobra.Command, text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 60)
	if err != nil {
		return 0, cli.UsageError(cmd, fmt.Errorf("%q is no number of entries", text))
	}
	return n, nil
}
