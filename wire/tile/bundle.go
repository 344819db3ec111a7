// SPDX-License-Identifier: Apache-2.0

package tile

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxEntry is the size of the largest entry that an entry bundle can hold, in
// bytes.
const MaxEntry = 1<<16 - 1

// AppendEntry appends entry to an entry bundle: "big-endian uint16
// length-prefixed log entries".
func AppendEntry(bundle, entry []byte) ([]byte, error) {
	if len(entry) > MaxEntry {
		return nil, fmt.Errorf("appending to entry bundle: entry of %d bytes is longer than %d", len(entry), MaxEntry)
	}
	bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(entry)))
	return append(bundle, entry...), nil
}

// NextEntry splits the first entry off an entry bundle. Both parts alias bundle.
func NextEntry(bundle []byte) (entry, rest []byte, err error) {
	if len(bundle) < 2 {
		return nil, nil, errors.New("splitting entry bundle: truncated length")
	}
	n := int(binary.BigEndian.Uint16(bundle))
	if bundle = bundle[2:]; len(bundle) < n {
		return nil, nil, errors.New("splitting entry bundle: truncated entry")
	}
	return bundle[:n:n], bundle[n:], nil
}

// SplitEntries splits an entry bundle of at most Width entries. The entries
// alias bundle.
func SplitEntries(bundle []byte) ([][]byte, error) {
	var entries [][]byte
	for len(bundle) > 0 {
		if len(entries) == Width {
			return nil, fmt.Errorf("splitting entry bundle: more than %d entries", Width)
		}
		entry, rest, err := NextEntry(bundle)
		if err != nil {
			return nil, err
		}
		entries, bundle = append(entries, entry), rest
	}
	return entries, nil
}
