// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

// After a failure the log is opened again, after firstRetry and then after twice
// as long each time, up to lastRetry: soon after the cause has gone.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Errors of Append. ErrBusy: more entries wait than the log takes in half a second;
// answer 503 and have the client come back. ErrFailed: an I/O or signing error has
// stopped the log until its cause is gone; answer 503. ErrClosed: Close has been
// called. ErrEntry: the entry is not one that the log can hold; the caller's fault.
var (
	ErrBusy   = errors.New("log is busy")
	ErrFailed = errors.New("log has stopped after an error")
	ErrClosed = errors.New("log is closed")
	ErrEntry  = errors.New("entry can't be logged")

	// ErrUnwitnessed: witnesses must cosign, and do not. The entry may be logged;
	// answer 503.
	ErrUnwitnessed = errors.New("witnesses have not cosigned")
)

// Lost is a log that was begun and is not there any more: restore it. Begun anew under
// its key, it would give the places of its entries to others.
type Lost struct{ Dir, Reason string }

// Error returns how the loss is known, and the remedy.
func (l *Lost) Error() string { return l.Reason + ": restore it" }

// Options say which log to open. All fields without "may" are required.
type Options struct {
	Storage   Storage         // where the log lies
	Origin    string          // first line of checkpoints
	Signers   []note.Signer   // each signs every checkpoint
	Verifiers []note.Verifier // one of them must have signed what is in Storage
	Format    Format
	Cosigner  Cosigner // may be nil: no witnesses are asked
	// Witnessed has every entry answered with a checkpoint that witnesses have
	// cosigned, and readers see no other. Without it they are asked, and nobody
	// waits for them.
	Witnessed bool
	// Dedup answers an entry that is in the log already with its first index.
	Dedup  bool
	Clock  func() time.Time // gives Pending.Make its time
	Logger *slog.Logger

	ending bool // the log is opened to be frozen
}

// Pending is an entry to be logged: Entry, or what Make makes when the index is
// known. Make runs on the log's one sequencer, so it must be quick; entries
// from Make are never looked up for duplicates.
type Pending struct {
	Entry []byte
	Make  func(index uint64, now time.Time) ([]byte, error)
}

// Receipt is the answer to an entry that is on disk.
type Receipt struct {
	Index      uint64
	Size       uint64 // of the tree that checkpoint and proof are for
	Root       tlog.Hash
	Timestamp  time.Time // what Make was given
	Checkpoint []byte    // signed
	Proof      tile.InclusionProof
}

// Log is an open log. Its methods may be called by many goroutines at once.
type Log struct {
	o       Options
	lock    io.Closer
	engine  atomic.Pointer[engine] // the keeper alone replaces it
	once    sync.Once
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed when the keeper has ended
	cutting chan struct{} // holds one value per tile of entries being measured
	reach   *reach        // how far readers see
}

// cutters is how many requests measure tiles of entries at a time.
const cutters = 4

// Open opens the log in o.Storage, and makes it if the storage is empty or missing and
// never had one. It brings what a crash has left in the journal into tiles.
// On a disk that is full or read-only it opens a log that takes no entries until that has
// passed. Errors: durable.ErrLocked when another process has the log open; *Lost; *WentBack;
// any inconsistency.
func Open(o Options) (*Log, error) {
	if o.Witnessed && o.Cosigner == nil {
		return nil, errors.New("opening log: nobody to cosign")
	}
	if len(o.Signers) == 0 || len(o.Verifiers) == 0 || o.Clock == nil || o.Logger == nil {
		return nil, errors.New("opening log: signers, verifiers, clock and logger are required")
	}
	if s := o.Storage; s.Lock == nil || s.Objects == nil || s.Journal == nil {
		return nil, errors.New("opening log: storage is required")
	}
	l := newLog(o)
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("opening log %s: %w", o.Storage.Name, err)
	}
	return l, nil
}

func newLog(o Options) *Log {
	return &Log{
		o: o, closing: make(chan struct{}), stopped: make(chan struct{}),
		cutting: make(chan struct{}, cutters), reach: newReach(),
	}
}

func (l *Log) open() (err error) {
	if l.lock, err = l.o.Storage.Lock(); err != nil {
		return err
	}
	e, err := openEngine(l.o, l.reach)
	if err != nil {
		return errors.Join(err, l.lock.Close())
	}
	l.engine.Store(e)
	if err := e.journal.Probe(); err != nil { // what there is can be read, and the log goes on once it can
		e.fail(err)
	}
	go l.keep(e)
	return nil
}

// keep reopens the engine until the log is closed: after an error, a new engine
// starts from what is stored.
func (l *Log) keep(e *engine) {
	defer close(l.stopped)
	defer l.lock.Close()
	for e != nil {
		<-e.stopped
		e = l.reopen()
	}
}

// reopen tries until there is an engine again, or gives nil once Close is called.
func (l *Log) reopen() *engine {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		select {
		case <-l.closing:
			return nil
		case <-time.After(wait):
		}
		e, err := openEngine(l.o, l.reach)
		if err == nil {
			if err = e.journal.Probe(); err != nil {
				e.close()
				<-e.stopped
			}
		}
		if err != nil {
			l.o.Logger.Error("log can't go on yet", "dir", l.o.Storage.Name, "cause", err)
			continue
		}
		l.o.Logger.Info("log goes on", "dir", l.o.Storage.Name, "entries", e.size())
		l.engine.Store(e)
		select {
		case <-l.closing: // Close may have closed the engine before
			e.close()
		default:
		}
		return e
	}
}

// Append logs an entry and returns when it is durable and covered by the
// checkpoint in the receipt. When ctx ends first, or the log fails, the entry may
// be logged all the same: ask again, and with Dedup the answer is the same index.
// Errors: ErrBusy, ErrFailed, ErrClosed, ErrFrozen, ErrEntry, and the context's.
func (l *Log) Append(ctx context.Context, p Pending) (Receipt, error) {
	return l.engine.Load().append(ctx, p)
}

// Close answers what has been accepted, publishes it, and gives the storage
// back. When ctx ends first, that goes on behind. Closing twice is no error.
func (l *Log) Close(ctx context.Context) error {
	l.once.Do(func() { close(l.closing) })
	l.engine.Load().close()
	select {
	case <-l.stopped:
		if err := l.engine.Load().err(); !errors.Is(err, ErrFrozen) {
			return err
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("closing log: %w", ctx.Err())
	}
}

// Err returns nil while the log accepts entries. Otherwise it returns [ErrFailed]
// with its cause, or [ErrUnwitnessed].
func (l *Log) Err() error {
	e := l.engine.Load()
	return cmp.Or(e.err(), e.unwitnessed())
}

// Size returns the number of promised entries.
func (l *Log) Size() uint64 { return l.engine.Load().size() }
