// SPDX-License-Identifier: Apache-2.0

package operate

import (
	"context"
	"errors"
	"io/fs"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/logbackup"
	"github.com/hallmark-sign/hallmark/internal/ownlog"
)

// A Backup copies the logs of an instance while it serves.
type Backup struct {
	Config string // directory or configuration file of the instance; empty: the one that the log is in
	Full   bool   // verify everything in the backup, and mend it
}

// Run copies the logs of source, which is an instance or one of its logs, to target.
func (f Backup) Run(ctx context.Context, env cli.Environment, source, target string) error {
	logs, copies, err := ownlog.PlanBackup(f.Config, source, target)
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

func (f Backup) one(ctx context.Context, env cli.Environment, logs *ownlog.Logs, source, target string) error {
	tree, _, err := logs.Open(source)
	if err != nil {
		return err
	}
	s, err := logbackup.Backup(ctx, tree, durable.OS{}, target, logbackup.Options{Full: f.Full, Progress: env.Progress("backed up", "entries")})
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

// A Restore puts a backup where a log was lost.
type Restore struct {
	Config  string   // directory or configuration file of the instance; empty: the one that the log is in
	Seen    []string // files with, and sizes of, what was seen last
	MayFork bool     // go on if the last seen size is unknown
}

// Run puts backup into dir, unless the log was seen with more entries.
func (f Restore) Run(ctx context.Context, env cli.Environment, backup, dir string) error {
	r := &ownlog.Restoration{Config: f.Config, Given: f.Seen, MayFork: f.MayFork, Say: env.Say, Progress: env.Progress("restored", "entries")}
	tree, s, err := r.Run(ctx, backup, dir)
	if err != nil {
		return err
	}
	sayLeft(env, dir)
	return tellLog(env, "restored", tree, s)
}
