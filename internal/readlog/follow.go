// SPDX-License-Identifier: Apache-2.0

package readlog

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/describe"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
)

// A Following prints new entries of a log and verifies that it only grows.
type Following struct {
	Flags
	From      uint64 // index of the first entry, if FromGiven
	FromGiven bool   // otherwise: after State, or the next entry that is added
	Until     uint64 // stop at this size; 0: never
	State     string // file with the last checkpoint seen; is written
	Interval  time.Duration
}

// Follow prints entries until ctx ends, the log forks or the size is reached.
func (f Following) Follow(ctx context.Context, env cli.Environment, name string) error {
	l, err := f.open(ctx, env, name)
	if err != nil {
		return err
	}
	o := logread.FollowOptions{
		From: l.head.Size, Until: f.Until, Last: l.head, Interval: f.Interval,
		Entry: func(e logread.Entry) error { return env.PrintJSON(describe.NewEntry(l.head.Format, e)) },
		Notice: func(err error) {
			what := "can't be read now"
			if errors.Is(err, logread.ErrStale) {
				what = "is behind"
			}
			env.Say("%s %s, trying again: %s", name, what, err.Error())
		},
	}
	if f.State != "" {
		o.Seen = f.keep
		o.Last, err = l.resume(f.State)
		if err != nil {
			return err
		}
	}
	switch {
	case f.FromGiven:
		o.From = f.From
	case f.State != "" && o.Last != nil:
		o.From = o.Last.Size
	}
	err = l.Follow(ctx, o)
	if ctx.Err() != nil {
		return nil // that is how it ends
	}
	l.showFork(env, err)
	return l.problem(env, err)
}

func (f Following) keep(h *logread.Head) error {
	if err := durable.WriteFile(f.State, h.Envelope, 0o644); err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: f.State, Code: "unwritable", Err: err}
	}
	return nil
}

// resume reads the checkpoint that an earlier run stored. It returns nil if there is none.
func (l *openLog) resume(file string) (*logread.Head, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return l.kept(file)
}
