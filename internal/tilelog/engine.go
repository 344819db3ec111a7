// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

const (
	// maxBatch is the number of entries in one journal record. A larger batch would not make
	// the fsync per entry cheaper.
	maxBatch = 512

	// maxWaiting is the number of entries that may wait for their batch: what the log accepts
	// in about half a second.
	maxWaiting = 4096

	// maxEntry bounds an entry of any format, in bytes, so that a batch fits
	// a journal record and memory.
	maxEntry = 256 << 10

	// publishInterval is the shortest time between two checkpoints that readers see. Each
	// publication costs some fsyncs besides those of the sequencer.
	publishInterval = 100 * time.Millisecond
)

// An engine is a log from one opening of its storage to the first error.
type engine struct {
	o       Options
	journal Journal // once open, sequencer only, except for Forget
	backlog int     // bytes of entries that may be in the journal alone; sequencer only
	tree    *tree
	shown   *cell // the checkpoint that readers see: cosigning loop only, or publisher without one
	tiled   *cell // the checkpoint of the tiles: publisher only, once open
	reach   *reach

	noted map[string]uint64 // size in each note, by name; noteAll only, once open

	// The promised state: guarded by mu. Only the sequencer writes it.
	mu      sync.RWMutex
	head    head
	bundles map[uint64]*bundle // the last one, and the unpublished ones

	// With witnesses: the head with complete tiles, guarded by mu, and the checkpoint that
	// readers see.
	tiledHead head
	exposed   exposed

	published atomic.Uint64 // size of the tree whose tiles are on disk; written by the publisher only

	closing sync.RWMutex // read-locked while enqueuing
	closed  bool         // guarded by closing
	queue   chan *waiter // closed by close

	committed chan struct{} // capacity 1: signals a head to publish; closed after the last
	hurry     chan struct{} // capacity 1: signals that the sequencer waits for a publication
	caughtUp  chan struct{} // capacity 1: signals that a publication has ended
	offered   chan struct{} // capacity 1: signals a head to cosign; closed after the last
	grown     chan struct{} // capacity 1: signals growth to note; closed after the last
	drained   chan struct{} // closed when the sequencer has returned
	stopped   chan struct{} // closed when all goroutines have returned

	failOnce sync.Once
	failed   chan struct{} // closed when failure is set
	failure  error
	ctx      context.Context // ends when the engine has failed or ended
	cancel   context.CancelFunc
}

// A head is a signed checkpoint.
type head struct {
	size     uint64
	root     tlog.Hash
	envelope []byte
}

// A bundle is a tile of entries in memory. Both slices only grow by append, so slices that
// first returned stay valid.
type bundle struct {
	content []byte
	ends    []int // where each entry ends in content
}

func (b *bundle) add(encoded []byte) {
	b.content = append(b.content, encoded...)
	b.ends = append(b.ends, len(b.content))
}

// first returns the content of the first width entries.
func (b *bundle) first(width int) []byte { return b.content[:b.ends[width-1]] }

// openEngine starts from the contents of storage. The caller holds the lock.
func openEngine(o Options, r *reach) (*engine, error) {
	e := &engine{
		o:         o,
		reach:     r,
		shown:     &cell{objects: o.Storage.Objects, name: "checkpoint"},
		exposed:   exposed{changed: make(chan struct{})},
		bundles:   make(map[uint64]*bundle),
		noted:     make(map[string]uint64),
		queue:     make(chan *waiter, maxWaiting),
		committed: make(chan struct{}, 1),
		hurry:     make(chan struct{}, 1),
		caughtUp:  make(chan struct{}, 1),
		offered:   make(chan struct{}, 1),
		grown:     make(chan struct{}, 1),
		drained:   make(chan struct{}),
		stopped:   make(chan struct{}),
		failed:    make(chan struct{}),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.tree = newTree(e.readHashes)
	if e.tiled = e.shown; o.Cosigner != nil {
		e.tiled = &cell{objects: o.Storage.Objects, name: headFile}
	}
	err := e.recover()
	if err == nil {
		err = e.begin()
	}
	if err != nil {
		return nil, errors.Join(err, e.release())
	}
	go e.run()
	return e, nil
}

// release returns the resources that openEngine acquired.
func (e *engine) release() error {
	e.cancel()
	if e.journal == nil {
		return nil
	}
	return e.journal.Close()
}

// run starts the engine's goroutines, waits for them and releases the engine.
func (e *engine) run() {
	defer close(e.stopped)
	var publisher, exposer, noter sync.WaitGroup
	publisher.Go(e.publishAll)
	exposer.Go(e.exposeAll)
	if !e.o.ending {
		signal(e.grown)
		noter.Go(e.noteAll)
	}
	e.sequence()
	close(e.drained)
	close(e.committed)
	publisher.Wait()
	close(e.offered)
	exposer.Wait()
	close(e.grown)
	noter.Wait()
	if err := e.release(); err != nil {
		e.o.Logger.Warn("log is closed after an error", "dir", e.o.Storage.Name, "cause", err)
	}
}

func (e *engine) append(ctx context.Context, p Pending) (Receipt, error) {
	if err := e.unwitnessed(); err != nil {
		return Receipt{}, err
	}
	w := &waiter{Pending: p, done: make(chan struct{})}
	if err := e.enqueue(w); err != nil {
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
	if e.o.Witnessed {
		var err error
		if w.head, err = e.witnessed(ctx, w.index); err != nil {
			return Receipt{}, err
		}
	}
	proof, err := e.tree.prove(w.index, w.head.size, w.leaf, w.head.root)
	if durable.Failing(err) { // the entry is logged; asked again, it has the same index
		err = fmt.Errorf("%w: %w", ErrFailed, err)
	}
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{
		Index: w.index, Size: w.head.size, Root: w.head.root, Timestamp: w.now,
		Checkpoint: w.head.envelope, Proof: proof,
	}, nil
}

// enqueue hands w to the sequencer, which answers every waiter that it receives.
func (e *engine) enqueue(w *waiter) error {
	e.closing.RLock()
	defer e.closing.RUnlock()
	if e.closed {
		if err := e.err(); err != nil {
			return err
		}
		return ErrClosed
	}
	select {
	case e.queue <- w:
		return nil
	default:
		return ErrBusy
	}
}

// close stops the engine once all accepted appends are answered.
func (e *engine) close() {
	e.closing.Lock()
	defer e.closing.Unlock()
	if !e.closed {
		e.closed = true
		close(e.queue)
	}
}

func (e *engine) err() error {
	select {
	case <-e.failed:
		return e.failure
	default:
		return nil
	}
}

// fail stops the engine after an error: the disk may not match memory any more.
func (e *engine) fail(cause error) {
	e.failOnce.Do(func() {
		e.failure = fmt.Errorf("%w: %w", ErrFailed, cause)
		close(e.failed)
		e.cancel()
		e.o.Logger.Error("log has stopped", "dir", e.o.Storage.Name, "cause", cause)
		e.close()
	})
}

func (e *engine) size() uint64 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.head.size
}
