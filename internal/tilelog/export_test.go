// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"context"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// Internals of the engine for the tests. These are in another package because they need
// package posix.
const (
	PublishInterval = publishInterval
	LastRetry       = lastRetry
	MaxEntry        = maxEntry
	MaxEncoded      = maxEncoded
	MaxBacklog      = maxBacklog
	TileHeight      = tileHeight
)

// Failed returns a channel that is closed when the engine has failed.
func (l *Log) Failed() <-chan struct{} { return l.engine.Load().failed }

// Hurry makes the publisher publish without waiting.
func (l *Log) Hurry() { signal(l.engine.Load().hurry) }

// RootAt returns the root of the first size leaves.
func (l *Log) RootAt(size uint64) (tlog.Hash, error) { return l.engine.Load().tree.root(size) }

// ReadTile returns a tile as the handler serves it.
func (l *Log) ReadTile(level int, n uint64, width int) ([]byte, error) {
	f, size, err := l.openTile(context.Background(), tileRef{position{level, n}, width})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f.Content(size))
}

// TileWidth returns how many hashes a tile has in a tree of size leaves.
func TileWidth(level int, n, size uint64) int { return tileWidth(position{level, n}, size) }

// NewTiles returns the paths of the tiles of a tree of size that a tree of last lacks.
func NewTiles(last, size uint64, level int) []string {
	var paths []string
	for _, t := range newTiles(last, size, level) {
		paths = append(paths, t.path())
	}
	return paths
}

// RootOf returns the root of a tree of leaves.
func RootOf(leaves []tlog.Hash) (tlog.Hash, error) {
	t := newTree(nil)
	for _, h := range leaves {
		t.append(h)
	}
	return t.root(uint64(len(leaves)))
}

// Subtree returns the root of a complete tree over hashes, which it overwrites.
func Subtree(hashes []tlog.Hash) tlog.Hash { return subtree(hashes) }
