// SPDX-License-Identifier: Apache-2.0

package logread

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// A Fork is a pair of inconsistent checkpoints of a log. The caller must refuse
// the log and should store both as evidence.
type Fork struct {
	Old, New *Head
	Reason   string
}

// Error returns the reason.
func (f *Fork) Error() string { return f.Reason }

// ErrStale reports that a log shows an older checkpoint than before: either a
// cache lags behind, or the log has lost entries. The caller may ask again
// until the log has grown.
var ErrStale = errors.New("log shows an older checkpoint than it did")

// GoesOn verifies that the tree of head begins with that of old. Errors are of
// type *[Fork], match [ErrStale] or [ErrDamaged], or are those of [Source].
func (l *Log) GoesOn(ctx context.Context, old, head *Head) error {
	if head.Size < old.Size {
		return l.lags(ctx, old, head)
	}
	root, err := l.RootAt(ctx, head, old.Size)
	if err != nil {
		return err
	}
	if root != old.Root {
		return &Fork{old, head, fmt.Sprintf("the first %d entries have changed", old.Size)}
	}
	return nil
}

// lags distinguishes an older checkpoint of the same log from one of another tree, as far as
// the tiles of old still exist.
func (l *Log) lags(ctx context.Context, old, head *Head) error {
	root, err := l.RootAt(ctx, old, head.Size)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %d entries after %d, and it is unknown whether they are the same: %v", ErrStale, head.Size, old.Size, err)
	case root != head.Root:
		return &Fork{old, head, fmt.Sprintf("the first %d entries have changed", head.Size)}
	}
	return fmt.Errorf("%w: %d entries after %d, all of them unchanged", ErrStale, head.Size, old.Size)
}

// FollowOptions holds the settings of [Log.Follow]. Interval and Entry are required.
type FollowOptions struct {
	From     uint64        // index of the first entry to return
	Until    uint64        // index to end before; 0 means to continue until the context ends
	Last     *Head         // last known checkpoint of this log; may be nil
	Interval time.Duration // time between reads of the checkpoint

	Entry  func(Entry) error   // called for each entry in order; an error ends Follow
	Seen   func(*Head) error   // called for each new checkpoint, after its entries; may be nil
	Notice func(trouble error) // called when reading the log failed; may be nil
}

// Follow reads the entries of a log as they are added. Each checkpoint must be
// consistent with the last, and each entry must be in its tree. While the log
// can't be read, or is behind the last checkpoint ([ErrStale]), it keeps
// trying. Errors are of type *[Fork], match [ErrDamaged], [ErrCheckpoint] or
// [ErrUnknown], or are those of the given functions or the context.
func (l *Log) Follow(ctx context.Context, o FollowOptions) error {
	f := follower{l, o, o.From, o.Last}
	for {
		err := f.look(ctx)
		if err != nil && !passing(err) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if err == nil && o.Until > 0 && f.next >= o.Until {
			return nil
		}
		if err != nil && o.Notice != nil {
			o.Notice(err)
		}
		select {
		case <-time.After(o.Interval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A follower is the state of Follow.
type follower struct {
	log  *Log
	o    FollowOptions
	next uint64
	last *Head
}

// final is an error that reading again can't fix.
type final struct{ error }

// Unwrap returns the error.
func (f final) Unwrap() error { return f.error }

// passing reports whether reading again may help, because the log could not be
// read.
func passing(err error) bool {
	if fork := new(Fork); errors.As(err, &fork) || errors.As(err, new(final)) {
		return false
	}
	damaged := errors.Is(err, ErrDamaged) || errors.Is(err, ErrCheckpoint) || errors.Is(err, ErrUnknown)
	return !damaged || errors.Is(err, fs.ErrNotExist)
}

// look reads the log's checkpoint and passes on new entries.
func (f *follower) look(ctx context.Context) error {
	head, err := f.log.Head(ctx)
	if err != nil {
		return err
	}
	if f.last != nil {
		if err := f.log.GoesOn(ctx, f.last, head); err != nil {
			return err
		}
	}
	to := head.Size
	if f.o.Until > 0 {
		to = min(to, f.o.Until)
	}
	for e, err := range f.log.Entries(ctx, head, min(f.next, to), to) {
		if err != nil {
			return err
		}
		if err := f.o.Entry(e); err != nil {
			return final{err}
		}
		f.next = e.Index + 1
	}
	if f.last != nil && f.last.Size == head.Size || to < head.Size {
		return nil
	}
	f.last = head
	if f.o.Seen == nil {
		return nil
	}
	if err := f.o.Seen(head); err != nil {
		return final{err}
	}
	return nil
}
