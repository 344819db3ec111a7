package tilelog

import (
	"encoding/binary"
	"errors"

	"github.com/hallmark-sign/hallmark/wire/tile"
)

// Format is how entries lie in their tiles, 256 to a tile.
type Format struct {
	// Level is tile.LevelEntries or tile.LevelData: where the tiles are.
	Level int
	// Encode gives an entry as it stands in its tile. It refuses entries that
	// the format can't hold.
	Encode func(entry []byte) ([]byte, error)
	// Next splits the first entry off the content of a tile.
	Next func(content []byte) (entry, rest []byte, err error)
	// Leaf gives what the leaf hash of an entry is over.
	Leaf func(entry []byte) ([]byte, error)
}

// EntryBundles is the format of tlog-tiles: entries of up to 64 KiB, each after
// its length, and hashed as they are.
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

// Cut gives the first width entries of a tile's content.
func (f Format) Cut(content []byte, width int) ([]byte, error) {
	rest := content
	for range width {
		var err error
		if _, rest, err = f.Next(rest); err != nil {
			return nil, err
		}
	}
	return content[:len(content)-len(rest)], nil
}
