// SPDX-License-Identifier: Apache-2.0

package logread

import (
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// Limits of what is read, in bytes.
const (
	maxCheckpoint = 64 << 10
	maxTile       = tile.Width * tlog.HashSize
	maxBundle     = tile.Width * (2 + tile.MaxEntry)
	maxDataTile   = 64 << 20
	maxIssuer     = 64 << 10
)

// A Format is the type of a log's entries and their encoding in tiles.
type Format struct {
	Name  string // "rekor", "ct" or "tiles"
	level int    // tile.LevelEntries or tile.LevelData
	limit int64  // bytes of a tile of entries
	// next splits the first entry off a tile's content.
	next func(content []byte) (raw, rest []byte, leaf tlog.Hash, err error)
}

// Rekor returns the format of Rekor v2: entry bundles of canonical bodies.
func Rekor() Format { return Format{"rekor", tile.LevelEntries, maxBundle, nextEntry} }

// CT returns the format of static-ct-api: data tiles of precertificates.
func CT() Format { return Format{"ct", tile.LevelData, maxDataTile, nextLeaf} }

// Tiles returns the format of tlog-tiles: entry bundles with any content.
func Tiles() Format { return Format{"tiles", tile.LevelEntries, maxBundle, nextEntry} }

func nextEntry(content []byte) (raw, rest []byte, leaf tlog.Hash, err error) {
	if raw, rest, err = tile.NextEntry(content); err != nil {
		return nil, nil, tlog.Hash{}, err
	}
	return raw, rest, tile.LeafHash(raw), nil
}

// nextLeaf hashes the MerkleTreeLeaf, which is only a part of the TileLeaf.
func nextLeaf(content []byte) (raw, rest []byte, hash tlog.Hash, err error) {
	leaf, rest, err := sct.ParseLeaf(content)
	if err != nil {
		return nil, nil, tlog.Hash{}, err
	}
	hashed, err := leaf.MerkleTreeLeaf()
	if err != nil {
		return nil, nil, tlog.Hash{}, err
	}
	return content[:len(content)-len(rest)], rest, tile.LeafHash(hashed), nil
}

// parses checks that an entry of the tree is valid for the format.
func (f Format) parses(raw []byte) error {
	if f.Name != "rekor" {
		return nil
	}
	_, err := rekor.ParseBody(raw)
	return err
}
