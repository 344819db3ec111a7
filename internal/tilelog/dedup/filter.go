// SPDX-License-Identifier: Apache-2.0

package dedup

import (
	"encoding/binary"
	"math/bits"
)

// perWord is the number of leaves that share a word of the filter. Fewer bits per leaf cost
// more reads than the memory they save, and more bits the reverse.
const perWord = 16

// A filter rules out five of six absent keys without reading a block. It has a word of 8 bytes
// for 16 leaves, in which each leaf sets two bits.
type filter []byte

// filterSize returns the size of a run's filter, in bytes.
func filterSize(s span) uint64 { return (s.len()/perWord + 1) * 8 }

func (f filter) add(k key) {
	word, mask := f.at(k)
	binary.BigEndian.PutUint64(word, binary.BigEndian.Uint64(word)|mask)
}

// mayHave reports whether a key may have been added. It returns true for every added key, and
// for some others.
func (f filter) mayHave(k key) bool {
	word, mask := f.at(k)
	return binary.BigEndian.Uint64(word)&mask == mask
}

// at returns the word that lo selects and the bits that hi selects.
func (f filter) at(k key) (word []byte, mask uint64) {
	i, _ := bits.Mul64(k.lo, uint64(len(f)/8))
	return f[i*8:][:8], 1<<(k.hi&63) | 1<<(k.hi>>6&63)
}
