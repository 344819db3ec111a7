// SPDX-License-Identifier: Apache-2.0

package dedup

import "errors"

// errMerged reports that a cursor has no more records.
var errMerged = errors.New("no more records")

// A cursor reads a run's records in order.
type cursor struct {
	run   *run
	head  record // the next record
	block []byte // blockSize bytes
	next  int    // block to read after this one
	rest  []byte // the block's records after head
}

func newCursor(r *run) (*cursor, error) {
	c := &cursor{run: r, block: make([]byte, blockSize)}
	return c, c.advance()
}

// advance moves head to the next record. At the end it returns errMerged.
func (c *cursor) advance() error {
	if len(c.rest) == 0 {
		if c.next == c.run.first.len() {
			return errMerged
		}
		if err := c.run.readBlock(c.next, c.block); err != nil {
			return err
		}
		c.rest = c.block[:c.run.count(c.next)*recordSize]
		c.next++
	}
	c.head = parseRecord(c.rest)
	c.rest = c.rest[recordSize:]
	if !c.run.contains(c.head.index) {
		return &damage{c.run, errors.New("index of another run")}
	}
	return nil
}

// mergeRuns writes the records of contiguous runs as one run. It calls pause after each that
// many records.
func mergeRuns(dir directory, runs []*run, every int, pause func() error) (span, error) {
	whole := span{runs[0].start, runs[len(runs)-1].end}
	w, err := newWriter(dir, whole)
	if err != nil {
		return span{}, err
	}
	defer w.abandon()
	var cursors []*cursor
	for _, r := range runs {
		c, err := newCursor(r)
		if err != nil {
			return span{}, err
		}
		cursors = append(cursors, c)
	}
	if err := drain(cursors, w, every, pause); err != nil {
		return span{}, err
	}
	return whole, w.finish(runs[len(runs)-1].last)
}

// drain writes the records of all cursors in order.
func drain(cursors []*cursor, w *writer, every int, pause func() error) error {
	for n := 1; len(cursors) > 0; n++ {
		i := least(cursors)
		if err := w.add(cursors[i].head); err != nil {
			return err
		}
		switch err := cursors[i].advance(); {
		case err == errMerged:
			cursors = append(cursors[:i], cursors[i+1:]...)
		case err != nil:
			return err
		}
		if n%every == 0 {
			if err := pause(); err != nil {
				return err
			}
		}
	}
	return nil
}

// least returns the index of the cursor whose head comes first. There are so few that a linear
// scan is as fast as a heap.
func least(cursors []*cursor) int {
	at := 0
	for i, c := range cursors[1:] {
		if c.head.compare(cursors[at].head) < 0 {
			at = i + 1
		}
	}
	return at
}
