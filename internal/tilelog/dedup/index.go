// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

// tableSize is how many leaves stay in memory before they are written: few
// enough to be read again from the log's tiles in milliseconds.
const tableSize = 1 << 15

// errClosed says that Close was called.
var errClosed = errors.New("leaf index is closed")

// Options say where an index is. All fields without "may" are required.
type Options struct {
	FS     durable.FS   // where Dir is; may be nil: durable.OS
	Dir    string       // made if missing; nothing else belongs there
	Logger *slog.Logger // hears of damage and of long rebuilding
}

// Leaves reads a log: it calls each with the leaf hashes from index from on, in
// their order, until the log's end or an error of each, which it gives back.
type Leaves func(from uint64, each func(hash [32]byte) error) error

// Index is an open index. Add, Find and Close are for one goroutine.
type Index struct {
	dir       directory
	logger    *slog.Logger
	tableSize uint64
	live      *table // the newest leaves
	block     []byte // where Find reads blocks

	mu      sync.Mutex // guards what follows, and runs' files from being closed
	changed *sync.Cond // of mu: frozen, closed or err is another
	frozen  *table     // full and being written; nil when there is none
	runs    []*run     // one after the other from index 0 to the start of the tables
	err     error      // the first one: the index is of no use any more
	closed  bool

	stopped chan struct{} // closed when work has ended
}

// table is a range of leaves in memory.
type table struct {
	span
	indices map[key]uint64
	last    [hashSize]byte // leaf hash of end-1
}

func newTable(start, size uint64) *table {
	return &table{span: span{start, start}, indices: make(map[key]uint64, size)}
}

// Open opens the index in o.Dir for a log of size leaves, and reads from leaves
// what the directory lacks: after a crash a table of them, and the whole log if
// the directory is empty, at about a microsecond a leaf.
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

// Add takes the leaf hash of index, which must be the one after the last. It
// waits where leaves come faster than they can be written. Errors: the index has
// failed behind the caller's back, which Find says at once and Add with the next
// full table; it is of no use then.
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

// freeze hands the full table to be written and begins another.
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

// Find returns the lowest index of a leaf hash, if the log has it. Errors:
// errDamaged, and any earlier one of the index.
func (x *Index) Find(hash [32]byte) (index uint64, ok bool, err error) {
	k := parseKey(hash[:])
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return 0, false, fmt.Errorf("finding leaf: %w", x.err)
	}
	for _, r := range x.runs { // the oldest has the lowest indices
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

// fail makes the index useless and removes the run that is damaged, if that is
// it. The caller holds mu.
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

// Close waits for what goes on behind, breaking off a merge. Leaves in memory
// are left to the next Open. It gives the index's error, if it had one.
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
