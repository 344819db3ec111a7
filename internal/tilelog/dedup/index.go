// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

// tableSize is the number of leaves that stay in memory before they are written. They can be
// read again from the log's tiles in milliseconds.
const tableSize = 1 << 15

// errClosed reports that Close was called.
var errClosed = errors.New("leaf index is closed")

// Options holds the settings of an index. All fields without "may" are required.
type Options struct {
	FS     durable.FS   // the file system of Dir; may be nil: durable.OS
	Dir    string       // created if missing; must hold nothing else
	Logger *slog.Logger // logs damage and long rebuilds
}

// Leaves reads a log. It calls each with the leaf hashes from index from on, in order. It
// stops at the end of the log, or at an error of each, which it returns.
type Leaves func(from uint64, each func(hash [32]byte) error) error

// An Index is an open index. Add, Find and Close must be called by one goroutine at a time.
type Index struct {
	dir       directory
	logger    *slog.Logger
	tableSize uint64
	live      *table // the newest leaves
	block     []byte // Find's buffer

	mu      sync.Mutex // guards the fields below, and keeps runs' files open
	changed *sync.Cond // on mu: signals a change of frozen, closed or err
	frozen  *table     // the full table being written; nil if none
	runs    []*run     // contiguous, from index 0 to the start of the tables
	err     error      // the first error: the index can't be used any more
	closed  bool

	stopped chan struct{} // closed when work has returned
}

// A table is a range of leaves in memory.
type table struct {
	span
	indices map[key]uint64
	last    [hashSize]byte // leaf hash of end-1
}

func newTable(start, size uint64) *table {
	return &table{span: span{start, start}, indices: make(map[key]uint64, size)}
}

// Open opens the index in o.Dir for a log of size leaves. It reads missing leaves from leaves:
// after a crash, one table of them; if the directory is empty, the whole log, at about a
// microsecond a leaf.
func Open(o Options, size uint64, leaves Leaves) (*Index, error) {
	return open(o, size, leaves, tableSize)
}

func open(o Options, size uint64, leaves Leaves, tableSize uint64) (*Index, error) {
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	x := &Index{
		dir: directory{o.FS, o.Dir}, logger: o.Logger, tableSize: tableSize,
		block: make([]byte, blockSize), stopped: make(chan struct{}),
	}
	x.changed = sync.NewCond(&x.mu)
	if err := x.openRuns(size, leaves); err != nil {
		closeRuns(x.runs)
		return nil, fmt.Errorf("opening leaf index %s: %w", o.Dir, err)
	}
	x.live = newTable(end(x.runs), tableSize)
	go x.work()
	if err := x.rebuild(size, leaves); err != nil {
		x.Close()
		return nil, fmt.Errorf("rebuilding leaf index %s: %w", o.Dir, err)
	}
	return x, nil
}

// Add adds the leaf hash of index, which must follow the last one added. If leaves arrive
// faster than they can be written, Add blocks. An error means that the index has failed in the
// background and can't be used any more. Find reports such an error at once, and Add with the
// next full table.
func (x *Index) Add(hash [32]byte, index uint64) error {
	if index != x.live.end || index > maxIndex {
		return fmt.Errorf("adding leaf: index %d, want %d", index, x.live.end)
	}
	if x.live.len() == x.tableSize {
		if err := x.freeze(); err != nil {
			return fmt.Errorf("adding leaf: %w", err)
		}
	}
	k := parseKey(hash[:])
	if _, ok := x.live.indices[k]; !ok {
		x.live.indices[k] = index
	}
	x.live.end, x.live.last = index+1, hash
	return nil
}

// freeze hands the full table to the background writer and begins another.
func (x *Index) freeze() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.frozen != nil && x.err == nil {
		x.changed.Wait()
	}
	if x.err != nil {
		return x.err
	}
	x.frozen = x.live
	x.live = newTable(x.live.end, x.tableSize)
	x.changed.Broadcast()
	return nil
}

// Find returns the lowest index of a leaf hash, if the log has it. Errors: errDamaged, and any
// earlier error of the index.
func (x *Index) Find(hash [32]byte) (index uint64, ok bool, err error) {
	k := parseKey(hash[:])
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return 0, false, fmt.Errorf("finding leaf: %w", x.err)
	}
	for _, r := range x.runs { // oldest first: it has the lowest indices
		index, ok, err := r.find(k, x.block)
		if err != nil {
			x.fail(err)
			return 0, false, fmt.Errorf("finding leaf: %w", err)
		}
		if ok {
			return index, true, nil
		}
	}
	if x.frozen != nil {
		if index, ok := x.frozen.indices[k]; ok {
			return index, true, nil
		}
	}
	index, ok = x.live.indices[k]
	return index, ok, nil
}

// fail records the error that stops the index. If a run is damaged, fail removes it. The
// caller holds mu.
func (x *Index) fail(err error) {
	if x.err != nil {
		return
	}
	x.err = err
	x.changed.Broadcast()
	var d *damage
	if !errors.As(err, &d) {
		return
	}
	d.run.file.Close()
	x.logger.Warn("leaf index is damaged: its run is removed and made anew", "dir", x.dir.dir, "cause", err)
	if err := x.dir.remove(d.run.name()); err != nil {
		x.logger.Warn("damaged run of the leaf index stays: remove it", "dir", x.dir.dir, "cause", err)
	}
}

// Close interrupts a merge and waits for background work to end. Leaves in memory are left to
// the next Open, which reads them from the log. Close returns the index's error, if it had
// one.
func (x *Index) Close() error {
	x.mu.Lock()
	x.closed = true
	x.changed.Broadcast()
	x.mu.Unlock()
	<-x.stopped
	closeRuns(x.runs)
	if err := x.err; err != nil && err != errClosed {
		return fmt.Errorf("closing leaf index: %w", err)
	}
	x.err = errClosed
	return nil
}

// end returns the index in the log at which the runs end.
func end(runs []*run) uint64 {
	if len(runs) == 0 {
		return 0
	}
	return runs[len(runs)-1].end
}

func closeRuns(runs []*run) {
	for _, r := range runs {
		r.file.Close()
	}
}
