package logread

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Fork is two checkpoints of a log that are not of one history. Refuse the log, and
// keep both: they are evidence.
type Fork struct {
	Old, New *Head
	Reason   string
}

// Error says what is wrong between the two.
func (f *Fork) Error() string { return f.Reason }

// ErrStale says that a log shows an older checkpoint than it did: a cache lags behind, or
// the log has lost entries. Ask again: what it shows once it has grown tells which.
var ErrStale = errors.New("log shows an older checkpoint than it did")

// GoesOn checks that the tree of head begins with that of old. Errors: *Fork,
// ErrStale, ErrDamaged, those of Source.
func (l *Log) GoesOn(ctx context.Context, old, head *Head) error {
	if head.Size < old.Size {
		return l.lags(ctx, old, head)
	}
	root, err := l.RootAt(ctx, head, old.Size)
	if err != nil {
		return err
	}
	if root != old.Root {
		return &Fork{old, head, fmt.Sprintf("the first %d entries are others than they were", old.Size)}
	}
	return nil
}

// lags tells a checkpoint that is older than old from one of another tree, as far as the
// tiles of old are still there.
func (l *Log) lags(ctx context.Context, old, head *Head) error {
	root, err := l.RootAt(ctx, old, head.Size)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %d entries after %d, and whether they are the same can't be seen: %v", ErrStale, head.Size, old.Size, err)
	case root != head.Root:
		return &Fork{old, head, fmt.Sprintf("the first %d entries are others than they were", head.Size)}
	}
	return fmt.Errorf("%w: %d entries after %d, which begin with the same", ErrStale, head.Size, old.Size)
}

// FollowOptions say how a log is followed. Interval and Entry are required.
type FollowOptions struct {
	From     uint64        // the first entry that is wanted
	Until    uint64        // ends before this one; 0: goes on until the context ends
	Last     *Head         // a checkpoint that is known already, of this log; nil: none
	Interval time.Duration // from one look to the next

	Entry  func(Entry) error   // is given each entry, in order; an error ends it all
	Seen   func(*Head) error   // is given each new checkpoint once its entries have been; nil: nobody
	Notice func(trouble error) // is told why a look came to nothing; nil: nobody
}

// Follow gives the entries of a log as they come. Each checkpoint must go on from the
// last, each entry be in its tree. While the log can't be read, or shows what it showed
// before the last (ErrStale), it keeps trying. Errors: *Fork, ErrDamaged, ErrCheckpoint, ErrUnknown, those of the functions given, the
// context's.
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

// follower is how far a log has been followed.
type follower struct {
	log  *Log
	o    FollowOptions
	next uint64
	last *Head
}

// final is an error that looking again does not mend.
type final struct{ error }

// Unwrap gives the error.
func (f final) Unwrap() error { return f.error }

// passing says whether looking again may help: the log could not be read.
func passing(err error) bool {
	if fork := new(Fork); errors.As(err, &fork) || errors.As(err, new(final)) {
		return false
	}
	damaged := errors.Is(err, ErrDamaged) || errors.Is(err, ErrCheckpoint) || errors.Is(err, ErrUnknown)
	return !damaged || errors.Is(err, fs.ErrNotExist)
}

// look reads the log's checkpoint, and gives what is new.
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
