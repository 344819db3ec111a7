// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

// maxEncoded bounds an encoded entry, in bytes.
const maxEncoded = maxEntry + 1<<10

// A Format encodes entries in tiles, 256 to a tile.
type Format struct {
	// Level selects the path of the tiles: tile.LevelEntries or tile.LevelData.
	Level int
	// Encode returns an entry as encoded in its tile. It refuses entries that the format can't
	// hold.
	Encode func(entry []byte) ([]byte, error)
	// Next splits the first entry off the content of a tile.
	Next func(content []byte) (entry, rest []byte, err error)
	// Leaf returns the bytes that the leaf hash of an entry covers.
	Leaf func(entry []byte) ([]byte, error)
}

// EntryBundles returns the format of tlog-tiles: entries of up to 64 KiB, each preceded by its
// length and hashed without it.
func EntryBundles() Format {
	return Format{
		Level:  tile.LevelEntries,
		Encode: func(entry []byte) ([]byte, error) { return tile.AppendEntry(nil, entry) },
		Next: func(content []byte) (entry, rest []byte, err error) {
			if len(content) < 2 {
				return nil, nil, errors.New("entry bundle is truncated")
			}
			n := int(binary.BigEndian.Uint16(content))
			if content = content[2:]; len(content) < n {
				return nil, nil, errors.New("entry bundle is truncated")
			}
			return content[:n], content[n:], nil
		},
		Leaf: func(entry []byte) ([]byte, error) { return entry, nil },
	}
}

// Measure returns the length of the first width entries of a tile of size bytes. It
// holds a part of the tile in memory at a time.
func (f Format) Measure(tile io.ReaderAt, size int64, width int) (length int64, err error) {
	buffer := make([]byte, min(size, maxEncoded))
	var rest []byte // the unread part of buffer
	for range width {
		_, next, err := f.Next(rest)
		if err != nil {
			n := min(int64(len(buffer)), size-length)
			if _, err := tile.ReadAt(buffer[:n], length); err != nil && (err != io.EOF || n == 0) {
				return 0, err
			}
			rest = buffer[:n]
			if _, next, err = f.Next(rest); err != nil {
				return 0, err
			}
		}
		length += int64(len(rest) - len(next))
		rest = next
	}
	return length, nil
}
