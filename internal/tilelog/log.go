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

// After a failure the log is reopened after firstRetry, then after twice as long each time, up
// to lastRetry. It recovers soon after the cause is gone.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Errors of Append. ErrBusy: more entries wait than the log accepts in half a second; answer
// 503 and let the client retry. ErrFailed: an I/O or signing error has stopped the log until
// its cause is gone; answer 503. ErrClosed: Close has been called. ErrEntry: the log can't
// hold this entry; the caller's fault.
var (
	ErrBusy   = errors.New("log is busy")
	ErrFailed = errors.New("log has stopped after an error")
	ErrClosed = errors.New("log is closed")
	ErrEntry  = errors.New("entry can't be logged")

	// ErrUnwitnessed: witnesses are required and have not cosigned. The entry may be logged;
	// answer 503.
	ErrUnwitnessed = errors.New("witnesses have not cosigned")
)

// Lost reports that a log was begun and its storage is gone. The remedy is to restore it: a
// new log under the same key would assign the old indices to other entries.
type Lost struct{ Dir, Reason string }

// Error returns how the log is known to be lost, and the remedy.
func (l *Lost) Error() string { return l.Reason + ": restore it" }

// Options holds the settings of a log. All fields without "may" are required.
type Options struct {
	Storage   Storage         // holds the log
	Origin    string          // first line of checkpoints
	Signers   []note.Signer   // each signs every checkpoint
	Verifiers []note.Verifier // one of them must have signed the checkpoint in Storage
	Format    Format
	Cosigner  Cosigner // may be nil: no witnesses are asked
	// Witnessed requires cosignatures: every entry is answered with a cosigned checkpoint, and
	// readers see no other. Without it witnesses are asked, and no request waits for them.
	Witnessed bool
	// Dedup answers an entry that is already in the log with its first index.
	Dedup  bool
	Clock  func() time.Time // provides the time for Pending.Make
	Logger *slog.Logger

	ending bool // the log is opened to be frozen
}

// A Pending is an entry to be logged: either Entry, or the result of Make, which is called
// once the index is known. Make runs on the log's only sequencer, so it must be fast. Entries
// from Make are never deduplicated.
type Pending struct {
	Entry []byte
	Make  func(index uint64, now time.Time) ([]byte, error)
}

// A Receipt describes a durably logged entry.
type Receipt struct {
	Index      uint64
	Size       uint64 // of the tree that checkpoint and proof are for
	Root       tlog.Hash
	Timestamp  time.Time // as passed to Make
	Checkpoint []byte    // signed
	Proof      tile.InclusionProof
}

// A Log is an open log. Its methods are safe for concurrent use.
type Log struct {
	o       Options
	lock    io.Closer
	engine  atomic.Pointer[engine] // replaced only by keep
	once    sync.Once
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed when keep has returned
	cutting chan struct{} // holds one value per tile of entries being measured
	reach   *reach        // how many entries readers see
}

// cutters is the number of requests that may measure tiles of entries at a time.
const cutters = 4

// Open opens the log in o.Storage, or creates it if the storage is empty or missing and never
// had a log. It moves the contents of the journal, after a crash, into tiles. On a disk that
// is full or read-only it opens a log that accepts no entries until the disk is writable.
// Errors: durable.ErrLocked if another process has the log open; *Lost; *WentBack; any
// inconsistency.
func Open(o Options) (*Log, error) {
	if o.Witnessed && o.Cosigner == nil {
		return nil, errors.New("opening log: Witnessed requires a Cosigner")
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
	if err := e.journal.Probe(); err != nil { // the log can be read, and recovers later
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

// reopen retries until the engine opens. It returns nil once Close is called.
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

// Append logs an entry and returns when the entry is durable and covered by the checkpoint in
// the receipt. If ctx ends first, or the log fails, the entry may have been logged: append it
// again, and with Dedup the receipt has the same index. Errors: ErrBusy, ErrFailed, ErrClosed,
// ErrFrozen, ErrEntry, and the context's.
func (l *Log) Append(ctx context.Context, p Pending) (Receipt, error) {
	return l.engine.Load().append(ctx, p)
}

// Close answers accepted entries, publishes them, and releases the storage. If ctx ends first,
// this continues in the background. A second call does no harm.
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
