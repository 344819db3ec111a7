package tilelog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

const (
	// maxBatch is how many entries one journal record takes: enough that more
	// would not make the fsync per entry cheaper.
	maxBatch = 512

	// maxEntry bounds an entry of any format, in bytes, so that a batch fits
	// a journal record and memory.
	maxEntry = 256 << 10

	// publishInterval is the shortest time between two checkpoints that readers
	// see. Each costs some fsyncs beside those of the sequencer.
	publishInterval = 100 * time.Millisecond
)

// Errors of Append. ErrFailed: an I/O or signing error has stopped the log;
// answer 503, only a restart helps. ErrClosed: Close has been called. ErrEntry:
// the entry is not one that the log can hold; the caller's fault.
var (
	ErrFailed = errors.New("log has stopped after an error")
	ErrClosed = errors.New("log is closed")
	ErrEntry  = errors.New("entry can't be logged")
)

// Options say which log to open. All fields without "may" are required.
type Options struct {
	Dir       string          // made if missing
	Origin    string          // first line of checkpoints
	Signers   []note.Signer   // each signs every checkpoint
	Verifiers []note.Verifier // one of them must have signed what is in Dir
	Format    Format
	// Dedup answers an entry that is in the log already with its first index.
	// It takes about 50 bytes of memory per entry.
	Dedup  bool
	Clock  func() time.Time // gives Pending.Make its time
	Logger *slog.Logger
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
	lock    *durable.FileLock
	journal *durable.Journal   // sequencer only, once open
	known   map[leafKey]uint64 // sequencer only, once open; nil without Dedup
	tree    *tree
	logger  *slog.Logger

	// What is promised: guarded by mu. The sequencer alone writes it.
	mu      sync.RWMutex
	head    head
	bundles map[uint64]*bundle // the last one, and those not published yet

	published atomic.Uint64 // size of DIR/checkpoint; the publisher alone writes it

	closing sync.RWMutex // held for reading by those that enqueue
	closed  bool         // guarded by closing
	queue   chan *waiter // closed by Close

	committed chan struct{} // capacity 1: there is something to publish; closed when there will be no more
	hurry     chan struct{} // capacity 1: the sequencer waits for a publication
	caughtUp  chan struct{} // capacity 1: a publication has ended
	drained   chan struct{} // closed when the sequencer has ended
	stopped   chan struct{} // closed when both goroutines have ended

	failOnce sync.Once
	failed   chan struct{} // closed when failure is set
	failure  error
}

// head is a checkpoint that has been signed.
type head struct {
	size     uint64
	root     tlog.Hash
	envelope []byte
}

// bundle is a tile of entries in memory. Both slices grow by append only, so
// what first gives stays valid.
type bundle struct {
	content []byte
	ends    []int // where each entry ends in content
}

func (b *bundle) add(encoded []byte) {
	b.content = append(b.content, encoded...)
	b.ends = append(b.ends, len(b.content))
}

// first gives the content of the first width entries.
func (b *bundle) first(width int) []byte { return b.content[:b.ends[width-1]] }

// leafKey is a leaf hash, cut to what is still collision-free. A collision
// would give its maker an error: proofs are verified against the whole hash.
type leafKey [16]byte

// Open opens the log in o.Dir, and makes it if the directory is empty or
// missing. It brings what a crash has left in the journal into tiles. Errors:
// durable.ErrLocked when another process has the log open; any inconsistency.
func Open(o Options) (*Log, error) {
	if len(o.Signers) == 0 || len(o.Verifiers) == 0 || o.Clock == nil || o.Logger == nil {
		return nil, errors.New("opening log: signers, verifiers, clock and logger are required")
	}
	l := &Log{
		o: o, logger: o.Logger,
		bundles:   make(map[uint64]*bundle),
		queue:     make(chan *waiter, maxBatch),
		committed: make(chan struct{}, 1),
		hurry:     make(chan struct{}, 1),
		caughtUp:  make(chan struct{}, 1),
		drained:   make(chan struct{}),
		stopped:   make(chan struct{}),
		failed:    make(chan struct{}),
	}
	l.tree = newTree(l.readFullTile)
	if o.Dedup {
		l.known = make(map[leafKey]uint64)
	}
	if err := l.open(); err != nil {
		l.release()
		return nil, fmt.Errorf("opening log %s: %w", o.Dir, err)
	}
	go l.run()
	return l, nil
}

func (l *Log) open() error {
	if err := durable.MkdirAll(l.o.Dir, 0o755); err != nil {
		return err
	}
	var err error
	if l.lock, err = durable.Lock(l.path("lock")); err != nil {
		return err
	}
	if l.journal, err = durable.OpenJournal(l.path("journal")); err != nil {
		return err
	}
	return l.recover()
}

// run is the life of an open log: both goroutines, then the end.
func (l *Log) run() {
	defer close(l.stopped)
	var publisher sync.WaitGroup
	publisher.Go(l.publishAll)
	l.sequence()
	close(l.drained)
	close(l.committed)
	publisher.Wait()
	l.release()
}

// release gives back what open took.
func (l *Log) release() {
	if l.journal != nil {
		l.journal.Close()
	}
	if l.lock != nil {
		l.lock.Unlock()
	}
}

func (l *Log) path(name string) string {
	return filepath.Join(l.o.Dir, filepath.FromSlash(name))
}

// Append logs an entry and returns when it is durable and covered by the
// checkpoint in the receipt. When ctx ends first, the entry is logged all the
// same: ask again, and with Dedup the answer is the same index. Errors:
// ErrFailed, ErrClosed, ErrEntry, and the context's.
func (l *Log) Append(ctx context.Context, p Pending) (Receipt, error) {
	w := &waiter{Pending: p, done: make(chan struct{})}
	if err := l.enqueue(ctx, w); err != nil {
		return Receipt{}, err
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("waiting for the log: %w", ctx.Err())
	}
	if w.err != nil {
		return Receipt{}, w.err
	}
	proof, err := l.tree.prove(w.index, w.head.size, w.leaf, w.head.root)
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{
		Index: w.index, Size: w.head.size, Root: w.head.root, Timestamp: w.now,
		Checkpoint: w.head.envelope, Proof: proof,
	}, nil
}

// enqueue hands w to the sequencer, which answers all that it is handed.
func (l *Log) enqueue(ctx context.Context, w *waiter) error {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return ErrClosed
	}
	select {
	case l.queue <- w:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the log: %w", ctx.Err())
	}
}

// Close answers what has been accepted, publishes it, and gives the directory
// back. When ctx ends first, that goes on behind. Closing twice is no error.
func (l *Log) Close(ctx context.Context) error {
	l.closing.Lock()
	if !l.closed {
		l.closed = true
		close(l.queue)
	}
	l.closing.Unlock()
	select {
	case <-l.stopped:
		return l.Err()
	case <-ctx.Done():
		return fmt.Errorf("closing log: %w", ctx.Err())
	}
}

// Err is nil while the log takes entries, and ErrFailed with its cause after.
func (l *Log) Err() error {
	select {
	case <-l.failed:
		return l.failure
	default:
		return nil
	}
}

// fail stops the log.
func (l *Log) fail(cause error) {
	l.failOnce.Do(func() {
		l.failure = fmt.Errorf("%w: %w", ErrFailed, cause)
		close(l.failed)
		l.logger.Error("log has stopped: repair the cause and restart", "dir", l.o.Dir, "cause", cause)
	})
}

// Size is how many entries are promised.
func (l *Log) Size() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.head.size
}
