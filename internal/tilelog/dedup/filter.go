package dedup

import (
	"encoding/binary"
	"math/bits"
)

// perWord is how many leaves share a word of the filter. A bit more or less per
// leaf would save fewer reads than it costs memory.
const perWord = 16

// filter tells that a run does not have a key without reading a block, five
// times in six: a word of 8 bytes for 16 leaves, in which each sets two bits.
type filter []byte

// filterSize is in bytes, and follows from the run's name.
func filterSize(s span) uint64 { return (s.len()/perWord + 1) * 8 }

func (f filter) add(k key) {
	word, mask := f.at(k)
	binary.BigEndian.PutUint64(word, binary.BigEndian.Uint64(word)|mask)
}

// mayHave is true for every key that was added, and for some others.
func (f filter) mayHave(k key) bool {
	word, mask := f.at(k)
	return binary.BigEndian.Uint64(word)&mask == mask
}

// at gives the word that lo chooses and the bits that hi does.
func (f filter) at(k key) (word []byte, mask uint64) {
	i, _ := bits.Mul64(k.lo, uint64(len(f)/8))
	return f[i*8:][:8], 1<<(k.hi&63) | 1<<(k.hi>>6&63)
}
