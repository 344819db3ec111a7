// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
)

// errDamaged reports that a run's bytes are not as written. The run has been removed. Close
// the index and open it again: Open rebuilds the run.
var errDamaged = errors.New("leaf index is damaged")

// A damage is errDamaged with the damaged run.
type damage struct {
	run   *run
	cause error
}

func (d *damage) Error() string {
	return fmt.Sprintf("%v: run %s: %v", errDamaged, d.run.name(), d.cause)
}

func (d *damage) Unwrap() []error { return []error{errDamaged, d.cause} }

// A run is an open run file.
type run struct {
	span
	file    source
	records uint64
	first   keys // of each block
	filter  filter
	last    [hashSize]byte // leaf hash of end-1
}

// parseRun reads the end of a run's file of size bytes, and takes ownership of the file. Its
// errors are of type *damage.
func parseRun(file source, size int64, s span) (*run, error) {
	r := &run{span: s, file: file}
	if err := r.parse(size); err != nil {
		file.Close()
		return nil, &damage{r, err}
	}
	return r, nil
}

// parse checks every number against the file's size before using it.
func (r *run) parse(size int64) error {
	var trailer [trailerSize]byte
	if size < int64(trailerSize) {
		return fmt.Errorf("%d bytes are too few", size)
	}
	if _, err := r.file.ReadAt(trailer[:], size-int64(trailerSize)); err != nil {
		return fmt.Errorf("reading trailer: %w", err)
	}
	rest, ok := trimMagic(trailer[:])
	if !ok {
		return errors.New("no trailer")
	}
	named := span{binary.BigEndian.Uint64(rest), binary.BigEndian.Uint64(rest[8:])}
	r.records = binary.BigEndian.Uint64(rest[16:])
	copy(r.last[:], rest[24:])
	if named != r.span {
		return fmt.Errorf("it is run %s", named.name())
	}
	if r.records == 0 || r.records > r.len() {
		return fmt.Errorf("%d records", r.records)
	}
	blocks := (r.records + perBlock - 1) / perBlock
	if blocks > uint64(size)/blockSize || uint64(size) != blocks*(blockSize+keySize)+filterSize(r.span)+uint64(trailerSize) {
		return fmt.Errorf("%d bytes with %d records", size, r.records)
	}
	return r.parseEnd(int(blocks), size)
}

func trimMagic(trailer []byte) ([]byte, bool) {
	return trailer[len(magic):], string(trailer[:len(magic)]) == magic
}

// parseEnd reads everything after the blocks and verifies its checksum.
func (r *run) parseEnd(blocks int, size int64) error {
	start := int64(blocks) * blockSize
	raw := make([]byte, size-start)
	if _, err := r.file.ReadAt(raw, start); err != nil {
		return fmt.Errorf("reading first keys: %w", err)
	}
	body, sum := raw[:len(raw)-sumSize], raw[len(raw)-sumSize:]
	if checksum(body) != binary.BigEndian.Uint32(sum) {
		return errors.New("wrong checksum of the end")
	}
	r.first = keys(raw[:blocks*keySize])
	r.filter = filter(raw[len(r.first) : len(raw)-trailerSize])
	for i := 1; i < blocks; i++ {
		if r.first.at(i-1).compare(r.first.at(i)) >= 0 {
			return fmt.Errorf("block %d is out of order", i)
		}
	}
	return nil
}

// count returns the number of records in block i.
func (r *run) count(i int) int {
	return int(min(perBlock, r.records-uint64(i)*perBlock))
}

// readBlock reads block i into block, which has blockSize bytes.
func (r *run) readBlock(i int, block []byte) error {
	if _, err := r.file.ReadAt(block, int64(i)*blockSize); err != nil {
		return &damage{r, fmt.Errorf("reading block %d: %w", i, err)}
	}
	const end = blockSize - sumSize
	if checksum(block[:end]) != binary.BigEndian.Uint32(block[end:]) {
		return &damage{r, fmt.Errorf("wrong checksum of block %d", i)}
	}
	if parseKey(block) != r.first.at(i) {
		return &damage{r, fmt.Errorf("block %d has another first key", i)}
	}
	return nil
}

// find looks up k. It reads blocks into block, which has blockSize bytes.
func (r *run) find(k key, block []byte) (index uint64, ok bool, err error) {
	if !r.filter.mayHave(k) {
		return 0, false, nil
	}
	at := sort.Search(r.first.len(), func(i int) bool { return r.first.at(i).compare(k) > 0 }) - 1
	if at < 0 {
		return 0, false, nil
	}
	if err := r.readBlock(at, block); err != nil {
		return 0, false, err
	}
	n := r.count(at)
	i := sort.Search(n, func(i int) bool { return parseKey(block[i*recordSize:]).compare(k) >= 0 })
	if i == n {
		return 0, false, nil
	}
	rec := parseRecord(block[i*recordSize:])
	if rec.key != k {
		return 0, false, nil
	}
	if !r.contains(rec.index) {
		return 0, false, &damage{r, fmt.Errorf("index %d", rec.index)}
	}
	return rec.index, true, nil
}
