// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// syncEvery is the number of bytes of a run written between two fsyncs. An fsync of the log's
// own files then never waits for hundreds of megabytes.
const syncEvery = 8 << 20

// A writer writes a run. After finish or an error, call abandon.
type writer struct {
	dir     directory
	file    *temporary
	out     *bufio.Writer
	span    span
	block   []byte // records of the block being filled
	first   keys
	filter  filter
	prev    key
	records uint64
}

// newWriter begins the run of s.
func newWriter(dir directory, s span) (*writer, error) {
	f, err := dir.create()
	if err != nil {
		return nil, err
	}
	return &writer{
		dir: dir, file: f, out: bufio.NewWriterSize(io.NewOffsetWriter(f, 0), 16*blockSize),
		span: s, block: make([]byte, 0, blockSize), filter: make(filter, filterSize(s)),
	}, nil
}

// add adds records in order. Of records with the same key it writes the first.
func (w *writer) add(r record) error {
	if w.records > 0 && r.key == w.prev {
		return nil
	}
	if len(w.block) == 0 {
		w.first = r.key.appendTo(w.first)
	}
	w.block = r.appendTo(w.block)
	w.filter.add(r.key)
	w.prev = r.key
	w.records++
	if len(w.block) < perBlock*recordSize {
		return nil
	}
	return w.flush()
}

// flush writes the block.
func (w *writer) flush() error {
	const end = blockSize - sumSize
	filled := len(w.block)
	clear(w.block[filled:end])
	w.block = binary.BigEndian.AppendUint32(w.block[:end], checksum(w.block[:end]))
	if _, err := w.out.Write(w.block); err != nil {
		return fmt.Errorf("writing run: %w", err)
	}
	w.block = w.block[:0]
	if w.first.len()%(syncEvery/blockSize) > 0 {
		return nil
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("writing run: %w", err)
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("syncing run: %w", err)
	}
	return nil
}

// finish makes the run durable. last is the leaf hash of the run's last leaf.
func (w *writer) finish(last [hashSize]byte) error {
	if len(w.block) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if _, err := w.out.Write(w.end(last)); err != nil {
		return fmt.Errorf("writing run: %w", err)
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("writing run: %w", err)
	}
	return w.dir.commit(w.file, w.span.name())
}

// end returns the bytes after the blocks.
func (w *writer) end(last [hashSize]byte) []byte {
	raw := slices.Concat([]byte(w.first), w.filter, []byte(magic))
	for _, n := range []uint64{w.span.start, w.span.end, w.records} {
		raw = binary.BigEndian.AppendUint64(raw, n)
	}
	raw = append(raw, last[:]...)
	return binary.BigEndian.AppendUint32(raw, checksum(raw))
}

// abandon removes the file, unless the run was finished.
func (w *writer) abandon() { w.dir.abandon(w.file) }
