// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"fmt"
	"slices"
)

const (
	// growth is the factor by which a run must be longer than all newer runs together to be
	// left out of their merge. A larger factor means fewer runs and more merging.
	growth = 3

	// mergeStride is the number of records that a merge writes, in tables, before a full table
	// may be written. Leaves that arrive fast neither wait for a long merge nor starve it.
	mergeStride = 4
)

// work writes full tables and merges runs until Close or an error.
func (x *Index) work() {
	defer close(x.stopped)
	for {
		err := x.merge()
		if err == nil {
			err = x.write()
		}
		if err != nil {
			x.mu.Lock()
			x.fail(err)
			x.mu.Unlock()
			return
		}
	}
}

// write waits for work, and writes a full table as a run. It returns errClosed when no more
// work will come.
func (x *Index) write() error {
	x.mu.Lock()
	for x.frozen == nil && !x.closed && x.err == nil && !mergeable(x.runs) {
		x.changed.Wait()
	}
	x.mu.Unlock()
	return x.writeFull()
}

// writeFull writes the full table, if any, as a run.
func (x *Index) writeFull() error {
	x.mu.Lock()
	t, closed, err := x.frozen, x.closed, x.err
	x.mu.Unlock()
	switch {
	case err != nil:
		return err
	case closed:
		return errClosed
	case t == nil:
		return nil
	}
	r, err := x.writeTable(t)
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.runs = append(x.runs, r)
	x.frozen = nil
	x.changed.Broadcast()
	x.mu.Unlock()
	return nil
}

func (x *Index) writeTable(t *table) (*run, error) {
	records := make([]record, 0, len(t.indices))
	for k, index := range t.indices {
		records = append(records, record{k, index})
	}
	slices.SortFunc(records, record.compare)
	w, err := newWriter(x.dir, t.span)
	if err != nil {
		return nil, err
	}
	defer w.abandon()
	for _, r := range records {
		if err := w.add(r); err != nil {
			return nil, err
		}
	}
	if err := w.finish(t.last); err != nil {
		return nil, err
	}
	return x.openRun(t.span)
}

// openRun opens the run of s.
func (x *Index) openRun(s span) (*run, error) {
	file, size, err := x.dir.open(s.name())
	if err != nil {
		return nil, err
	}
	return parseRun(file, size, s)
}

// merge merges the newest runs, if a merge is due. Tables that become runs meanwhile are newer
// than the runs that it merges.
func (x *Index) merge() error {
	x.mu.Lock()
	from, until, any := due(x.runs), len(x.runs), mergeable(x.runs)
	old := slices.Clone(x.runs[from:])
	x.mu.Unlock()
	if !any {
		return nil
	}
	whole, err := mergeRuns(x.dir, old, mergeStride*int(x.tableSize), x.writeFull)
	if err != nil {
		return err
	}
	r, err := x.openRun(whole)
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.runs = slices.Replace(x.runs, from, until, r)
	x.mu.Unlock()
	return x.removeMerged(old)
}

// removeMerged removes runs that are part of a longer run. Find does not use them any more.
func (x *Index) removeMerged(old []*run) error {
	var names []string
	for _, r := range old {
		names = append(names, r.name())
	}
	closeRuns(old)
	if err := x.dir.remove(names...); err != nil {
		return fmt.Errorf("after merging: %w", err)
	}
	return nil
}

// due returns the first of the runs that must be merged.
func due(runs []*run) int {
	if len(runs) == 0 {
		return 0
	}
	i := len(runs) - 1
	newer := runs[i].len()
	for i > 0 && runs[i-1].len() < growth*newer {
		i--
		newer += runs[i].len()
	}
	return i
}

func mergeable(runs []*run) bool { return len(runs)-due(runs) > 1 }
