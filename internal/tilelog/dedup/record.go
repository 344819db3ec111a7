// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// Sizes in a run's file, in bytes.
const (
	keySize     = 16
	indexSize   = 6
	recordSize  = keySize + indexSize
	blockSize   = 4096 // a page, which perBlock records and a checksum fill
	sumSize     = 4
	perBlock    = (blockSize - sumSize) / recordSize
	trailerSize = len(magic) + 3*8 + hashSize + sumSize
	hashSize    = 32

	magic = "hallmark/leaves1"

	// maxIndex bounds indices: they are written in six bytes.
	maxIndex = 1<<(8*indexSize) - 1
)

// A key is the first 16 bytes of a leaf hash.
type key struct{ hi, lo uint64 }

func parseKey(raw []byte) key {
	return key{binary.BigEndian.Uint64(raw), binary.BigEndian.Uint64(raw[8:])}
}

func (k key) appendTo(raw []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(raw, k.hi), k.lo)
}

func (k key) compare(other key) int {
	if k.hi != other.hi {
		return cmp.Compare(k.hi, other.hi)
	}
	return cmp.Compare(k.lo, other.lo)
}

// A keys value holds keys as encoded in a run's file.
type keys []byte

func (k keys) len() int { return len(k) / keySize }

func (k keys) at(i int) key { return parseKey(k[i*keySize:]) }

// A record is a leaf and its index in the log.
type record struct {
	key
	index uint64
}

func parseRecord(raw []byte) record {
	low := binary.BigEndian.Uint32(raw[keySize+2:])
	return record{parseKey(raw), uint64(binary.BigEndian.Uint16(raw[keySize:]))<<32 | uint64(low)}
}

func (r record) appendTo(raw []byte) []byte {
	raw = binary.BigEndian.AppendUint16(r.key.appendTo(raw), uint16(r.index>>32))
	return binary.BigEndian.AppendUint32(raw, uint32(r.index))
}

// compare orders records by key, then by index.
func (r record) compare(other record) int {
	if r.key != other.key {
		return r.key.compare(other.key)
	}
	return cmp.Compare(r.index, other.index)
}

// A span is a half-open range of the log's indices.
type span struct{ start, end uint64 }

func (s span) len() uint64 { return s.end - s.start }

func (s span) contains(index uint64) bool { return s.start <= index && index < s.end }

// name returns the name of the run's file.
func (s span) name() string { return fmt.Sprintf("%d-%d", s.start, s.end) }

// parseName inverts name. It reports whether the file is a run.
func parseName(name string) (span, bool) {
	start, end, _ := strings.Cut(name, "-")
	var s span
	var err error
	if s.start, err = strconv.ParseUint(start, 10, 64); err != nil {
		return span{}, false
	}
	if s.end, err = strconv.ParseUint(end, 10, 64); err != nil {
		return span{}, false
	}
	return s, s.start < s.end && s.end-1 <= maxIndex && s.name() == name
}

func checksum(raw []byte) uint32 {
	return crc32.Checksum(raw, crc32.MakeTable(crc32.Castagnoli))
}
