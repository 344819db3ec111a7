// SPDX-License-Identifier: Apache-2.0

package ownlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/logbackup"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/internal/witness"
)

// A Restoration checks whether a log was seen with more entries than a backup has.
type Restoration struct {
	Config   string   // of the instance; empty: the instance that contains dir
	Given    []string // files with, and sizes of, what was seen last
	MayFork  bool     // go on if the last seen size is unknown
	Say      func(format string, args ...any)
	Progress func(done, total uint64)

	backup string
	tree   *logbackup.Tree

	known  bool    // that the log was not seen with more
	silent []error // errors of required witnesses, of which too few have answered
}

// Run puts the backup of a log into dir, unless the log was seen with more entries.
func (r *Restoration) Run(ctx context.Context, backup, dir string) (*logbackup.Tree, logbackup.Summary, error) {
	logs, tree, log, err := r.open(backup, dir)
	if err != nil {
		return nil, logbackup.Summary{}, err
	}
	seen := make([]observation, len(r.Given))
	for i, given := range r.Given {
		if seen[i], err = logs.observation(given, log); err != nil {
			return nil, logbackup.Summary{}, err
		}
	}
	r.backup, r.tree = backup, tree
	r.known = len(seen) > 0 || tilelog.IsFrozen(tree.Head)
	if !tilelog.IsFrozen(tree.Head) { // a frozen log has its final size
		noted, err := logs.noted(log)
		if err != nil {
			return nil, logbackup.Summary{}, err
		}
		seen = append(seen, noted...)
	}
	newest := func(ctx context.Context, tree *logbackup.Tree) error {
		if err := r.compare(ctx, seen); err != nil {
			return err
		}
		if !log.isCT && logs.Config.Witnesses != nil {
			if err := r.ask(ctx, logs); err != nil {
				return err
			}
		}
		return r.decide()
	}
	s, err := logbackup.Restore(ctx, tree, dir, newest, logbackup.Options{Progress: r.Progress})
	switch p := new(fault.Problem); {
	case err == nil, errors.As(err, &p):
	case errors.Is(err, logread.ErrDamaged):
		err = Problem(backup, err)
	default:
		err = Problem(dir, err)
	}
	return tree, s, err
}

// open reads the backup, and refuses to restore it to the directory of another log of the
// instance.
func (r *Restoration) open(backup, dir string) (*Logs, *logbackup.Tree, Log, error) {
	wrong := func(reason, remedy, name string) error {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: dir, Code: "usage", Err: errors.New(reason), Remedy: remedy, Names: []string{name}}
	}
	switch {
	case IsInstance(dir):
		return nil, nil, Log{}, wrong("it is an instance: a log is restored into a directory in it", "log-directory", filepath.Join(dir, "rekor"))
	case IsDirectory(filepath.Join(backup, "rekor")):
		return nil, nil, Log{}, wrong("the backup is of all logs of an instance: each is restored on its own", "backup-directory", filepath.Join(backup, "rekor"))
	}
	logs, err := Open(r.Config, dir)
	if err != nil {
		return nil, nil, Log{}, err
	}
	tree, log, err := logs.Open(backup)
	if err != nil {
		return nil, nil, Log{}, err
	}
	at, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, Log{}, err
	}
	if place := logs.Config.Path(log.dir); filepath.Dir(at) == filepath.Dir(place) && at != place {
		return nil, nil, Log{}, wrong(fmt.Sprintf("the backup is of %s, which is in %s", log.Origin, log.dir), "log-directory", filepath.Join(filepath.Dir(dir), log.dir))
	}
	return logs, tree, log, nil
}

// wouldFork returns the refusal of a restoration of a log that was seen with more entries.
func (r *Restoration) wouldFork(found string, err error) error {
	return &fault.Problem{
		Exit: fault.ExitRefused, Subject: r.backup, Code: "log-would-fork", Err: err, Found: found,
		Expected: fmt.Sprintf("the %d entries of the backup, and nothing that goes on beyond them", r.tree.Head.Size),
	}
}

// compare checks the backup against what was seen of the log.
func (r *Restoration) compare(ctx context.Context, seen []observation) error {
	for _, one := range seen {
		if one.size > r.tree.Head.Size {
			return r.wouldFork(fmt.Sprintf("%d entries, in %s", one.size, one.name), errors.New("the log was seen with more entries than the backup has"))
		}
		if one.head == nil {
			continue
		}
		switch err := r.tree.Follows(ctx, *one.head); {
		case errors.Is(err, logbackup.ErrOtherLog):
			return r.wouldFork(fmt.Sprintf("a checkpoint of %d other entries, in %s", one.size, one.name), err)
		case err != nil:
			return Problem(r.backup, err)
		}
	}
	return nil
}

// ask asks the witnesses of the instance for what they have cosigned.
func (r *Restoration) ask(ctx context.Context, logs *Logs) error {
	peers, err := instance.Peers(logs.Config.Witnesses)
	if err != nil {
		return err
	}
	agree, others := peers.Newest(ctx, r.tree.Signed, r.tree.Head.Size, func(old uint64) ([]tlog.Hash, error) {
		return r.tree.Prove(ctx, old)
	})
	for _, err := range others {
		if ahead := new(witness.Ahead); errors.As(err, &ahead) {
			return r.wouldFork(fmt.Sprintf("%d entries that a witness has cosigned", ahead.Cosigned), err)
		}
		if errors.Is(err, witness.ErrOtherTree) {
			return r.wouldFork("another tree that a witness has cosigned", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, err := range others {
		r.Say("  witness  %s", err.Error())
	}
	if len(agree) > 0 {
		r.Say("  witness  %s: nothing beyond %d entries", strings.Join(agree, ", "), r.tree.Head.Size)
	}
	switch {
	case !logs.Config.Witnesses.Required: // then clients have seen checkpoints that no witness has cosigned
	case peers.Enough(len(agree)):
		r.known = true
	default:
		r.silent = others
	}
	return nil
}

// decide returns an error unless enough is known to restore.
func (r *Restoration) decide() error {
	switch {
	case r.known:
		return nil
	case r.MayFork:
		r.Say("  warning  it is unknown whether the log was seen with more than %d entries", r.tree.Head.Size)
		return nil
	case len(r.silent) > 0:
		return &fault.Problem{
			Exit: fault.ExitUndecided, Subject: r.backup, Code: "witnesses-silent",
			Err: fmt.Errorf("too few witnesses say that they have cosigned nothing beyond the %d entries of the backup: %w", r.tree.Head.Size, errors.Join(r.silent...)),
		}
	}
	return &fault.Problem{
		Exit: fault.ExitUsage, Subject: r.backup, Code: "last-seen-unknown",
		Err: fmt.Errorf("it is unknown whether the log was seen with more than the %d entries of the backup: restoring it could fork the log, and put everything that it has ever signed in doubt", r.tree.Head.Size),
	}
}

// IsDirectory reports whether there is a directory at path.
func IsDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
