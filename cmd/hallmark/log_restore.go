package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/logbackup"
	"github.com/hallmark-sign/hallmark/internal/server"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/internal/witness"
)

// logRestoreFlags are those of log restore.
type logRestoreFlags struct {
	config  string
	seen    []string
	mayFork bool
}

func logRestoreCommand(env environment) *cobra.Command {
	var f logRestoreFlags
	cmd := &cobra.Command{
		Use:   "restore BACKUP LOGDIR",
		Short: "Put a backup where a log was lost, unless somebody has seen more of it",
		Long: `Makes LOGDIR, DIR/rekor or DIR/ct of an instance, a log that goes on from BACKUP, after
verifying all of it. LOGDIR must be missing or empty, and the instance's configuration and
trust files in place. It is all there afterwards, or nothing.

Entries that were acknowledged after the backup are not in it. A log that has shown them to
anybody and goes on without them gives their places to others: it is forked, and all that it
has ever said is in doubt. So restore must know that nobody has seen more:

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
		Args: usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), env, args[0], args[1])
		},
	}
	addConfig(cmd.Flags(), &f.config, " (default: the one above LOGDIR)")
	cmd.Flags().StringArrayVar(&f.seen, "seen", nil, "`FILE|SIZE` that the log was seen with last; may be repeated")
	cmd.Flags().BoolVar(&f.mayFork, "may-fork-unsafe", false, "go on where nobody knows what was seen last; what is known to be more is refused all the same")
	return cmd
}

func (f logRestoreFlags) run(ctx context.Context, env environment, backup, dir string) error {
	logs, tree, log, err := f.open(backup, dir)
	if err != nil {
		return err
	}
	seen := make([]sighting, len(f.seen))
	for i, given := range f.seen {
		if seen[i], err = logs.sighting(given, log); err != nil {
			return err
		}
	}
	known := len(seen) > 0 || tilelog.IsFrozen(tree.Head)
	if !tilelog.IsFrozen(tree.Head) { // that is the log's end, wherever it was before
		noted, err := logs.noted(log)
		if err != nil {
			return err
		}
		seen = append(seen, noted...)
	}
	newest := func(ctx context.Context, tree *logbackup.Tree) error {
		r := restoration{logRestoreFlags: f, env: env, backup: backup, tree: tree, known: known}
		if err := r.compare(ctx, seen); err != nil {
			return err
		}
		if !log.isCT && logs.config.Witnesses != nil {
			if err := r.ask(ctx, logs); err != nil {
				return err
			}
		}
		return r.decide()
	}
	s, err := logbackup.Restore(ctx, tree, dir, newest, logbackup.Options{Progress: env.progress("restored", "entries")})
	if p := new(problem); errors.As(err, &p) {
		return p
	}
	if errors.Is(err, logread.ErrDamaged) {
		return logProblem(backup, err)
	}
	if err != nil {
		return logProblem(dir, err)
	}
	sayLeft(env, dir)
	return env.tell("restored", tree, s)
}

// open reads what is to be restored, and refuses to put it where the instance has
// another log.
func (f logRestoreFlags) open(backup, dir string) (*ownLogs, *logbackup.Tree, ownLog, error) {
	wrong := func(reason, try string) error {
		return &problem{Exit: exitUsage, Subject: dir, Code: "usage", Err: errors.New(reason), Try: try}
	}
	switch {
	case isInstance(dir):
		return nil, nil, ownLog{}, wrong("it is an instance: a log is restored into a directory in it", "LOGDIR "+verdict.Quoted(filepath.Join(dir, "rekor")))
	case isDirectory(filepath.Join(backup, "rekor")):
		return nil, nil, ownLog{}, wrong("the backup is of all logs of an instance: each is restored on its own", "BACKUP "+verdict.Quoted(filepath.Join(backup, "rekor")))
	}
	logs, err := openLogs(f.config, dir)
	if err != nil {
		return nil, nil, ownLog{}, err
	}
	tree, log, err := logs.open(backup)
	if err != nil {
		return nil, nil, ownLog{}, err
	}
	at, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, ownLog{}, err
	}
	if place := logs.config.Path(log.dir); filepath.Dir(at) == filepath.Dir(place) && at != place {
		return nil, nil, ownLog{}, wrong(fmt.Sprintf("the backup is of %s, which is in %s", log.Origin, log.dir), "LOGDIR "+verdict.Quoted(filepath.Join(filepath.Dir(dir), log.dir)))
	}
	return logs, tree, log, nil
}

// sayLeft names what runs that were killed have left beside dir, where it could not be
// removed: whether one is still running nobody knows.
func sayLeft(env environment, dir string) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Clean(dir)), durable.TemporaryDirs))
	for _, one := range left {
		env.say("  left         unless another init or restore is running: rm -r %s", verdict.Quoted(one))
	}
}

// restoration finds out whether somebody has seen more than a backup has.
type restoration struct {
	logRestoreFlags
	env    environment
	backup string
	tree   *logbackup.Tree

	known  bool    // that nobody has
	silent []error // of required witnesses, too few of which have answered
}

// wouldFork is the refusal where somebody has.
func (r *restoration) wouldFork(found string, err error) error {
	return &problem{
		Exit: exitRefused, Subject: r.backup, Code: "log-would-fork", Err: err, Found: found,
		Expected: fmt.Sprintf("the %d entries of the backup, and nothing that goes on beyond them", r.tree.Head.Size),
		Try:      "a newer backup; if there is none, end this log where the backup does: docs/operating/backup-restore.md",
	}
}

// compare holds the backup against what was seen.
func (r *restoration) compare(ctx context.Context, seen []sighting) error {
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
			return logProblem(r.backup, err)
		}
	}
	return nil
}

// ask asks the witnesses of the instance.
func (r *restoration) ask(ctx context.Context, logs *ownLogs) error {
	peers, err := server.Peers(logs.config.Witnesses)
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
		r.env.say("  witness  %s", err.Error())
	}
	if len(agree) > 0 {
		r.env.say("  witness  %s: nothing beyond %d entries", strings.Join(agree, ", "), r.tree.Head.Size)
	}
	switch {
	case !logs.config.Witnesses.Required: // then others have seen what none has cosigned
	case peers.Enough(len(agree)):
		r.known = true
	default:
		r.silent = others
	}
	return nil
}

// decide says whether enough is known.
func (r *restoration) decide() error {
	switch {
	case r.known:
		return nil
	case r.mayFork:
		r.env.say("  warning  nobody knows whether the log was seen with more than %d entries", r.tree.Head.Size)
		return nil
	case len(r.silent) > 0:
		return &problem{
			Exit: exitUndecided, Subject: r.backup, Code: "witnesses-silent", Try: "again, once they answer; or --seen FILE with what was seen last",
			Err: fmt.Errorf("too few witnesses say that they have cosigned nothing beyond the %d entries of the backup: %w", r.tree.Head.Size, errors.Join(r.silent...)),
		}
	}
	return &problem{
		Exit: exitUsage, Subject: r.backup, Code: "last-seen-unknown", Try: "--seen FILE, the checkpoint or bundle that anybody has seen last",
		Err: fmt.Errorf("nobody says whether the log was seen with more than the %d entries of the backup: it would be forked, and all that it has ever said in doubt", r.tree.Head.Size),
	}
}
