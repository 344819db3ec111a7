// SPDX-License-Identifier: Apache-2.0

package ctlog

import (
	"errors"

	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// DataTiles returns the format of static-ct-api: concatenated TileLeaf structs,
// hashed as RFC 6962 MerkleTreeLeaf.
func DataTiles() tilelog.Format {
	return tilelog.Format{
		Level:  tile.LevelData,
		Encode: func(entry []byte) ([]byte, error) { return entry, nil },
		Next: func(content []byte) (entry, rest []byte, err error) {
			if _, rest, err = sct.ParseLeaf(content); err != nil {
				return nil, nil, err
			}
			return content[:len(content)-len(rest)], rest, nil
		},
		Leaf: func(entry []byte) ([]byte, error) {
			leaf, rest, err := sct.ParseLeaf(entry)
			if err != nil {
				return nil, err
			}
			if len(rest) > 0 {
				return nil, errors.New("CT log entry with trailing data")
			}
			return leaf.MerkleTreeLeaf()
		},
	}
}
