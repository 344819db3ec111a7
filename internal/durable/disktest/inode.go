// SPDX-License-Identifier: Apache-2.0

package disktest

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is the size of the unit that a disk writes atomically, in bytes.
const sector = 512

// An inode is a file or a directory, with its visible and its durable state.
type inode struct {
	mode fs.FileMode

	// State of a file. Sectors written since the last sync are dirty. Sectors
	// whose sync has failed are lost.
	content, synced []byte
	dirty, lost     map[int]bool

	// State of a directory. pending has, for each name, the inodes it has referred
	// to since the last sync, nil for none.
	names, kept map[string]*inode
	pending     map[string][]*inode
}

func newDir() *inode {
	return &inode{mode: fs.ModeDir | 0o755, names: map[string]*inode{}, kept: map[string]*inode{}, pending: map[string][]*inode{}}
}

func (n *inode) isDir() bool { return n.mode.IsDir() }

func (n *inode) info(name string) info { return info{name, int64(len(n.content)), n.mode} }

func (n *inode) entries() []fs.DirEntry {
	var all []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.names)) {
		all = append(all, n.names[name].info(name))
	}
	return all
}

// set points a name to an inode, or removes it.
func (n *inode) set(name string, to *inode) {
	if to == nil {
		delete(n.names, name)
	} else {
		n.names[name] = to
	}
	n.pending[name] = append(n.pending[name], to)
}

func (n *inode) syncNames() {
	n.kept = maps.Clone(n.names)
	clear(n.pending)
}

// write writes into the file and extends it as needed.
func (n *inode) write(data []byte, at int) {
	if end := at + len(data); end > len(n.content) {
		n.content = append(n.content, make([]byte, end-len(n.content))...)
	}
	copy(n.content[at:], data)
	if n.dirty == nil {
		n.dirty, n.lost = map[int]bool{}, map[int]bool{}
	}
	for s := at / sector; s*sector < at+len(data); s++ {
		n.dirty[s] = true
		delete(n.lost, s)
	}
}

// sync makes written data durable, except what an earlier failed sync has lost.
func (n *inode) sync() {
	for s := range n.dirty {
		n.keep(s)
	}
	n.grow(len(n.content))
	clear(n.dirty)
}

// keep makes a sector durable.
func (n *inode) keep(s int) {
	n.grow(min((s+1)*sector, len(n.content)))
	copy(n.synced[s*sector:], n.content[s*sector:min((s+1)*sector, len(n.content))])
}

func (n *inode) grow(size int) {
	if size > len(n.synced) {
		n.synced = append(n.synced, make([]byte, size-len(n.synced))...)
	}
}

// failSync simulates a failed sync: some sectors are written anyway, the others
// are lost, and some of these revert to the durable content at once.
func (n *inode) failSync(random *rand.Rand) {
	for _, s := range slices.Sorted(maps.Keys(n.dirty)) {
		switch random.IntN(3) {
		case 0:
			n.keep(s)
		case 1:
			n.lost[s] = true
		default:
			n.revert(s)
		}
	}
	clear(n.dirty)
}

// revert resets the sector to its durable content.
func (n *inode) revert(s int) {
	end := min((s+1)*sector, len(n.content))
	clear(n.content[s*sector : end])
	if s*sector < len(n.synced) {
		copy(n.content[s*sector:end], n.synced[s*sector:])
	}
}

// lose simulates a power failure for everything below n. Inodes without a
// durable name are lost.
func (n *inode) lose(random *rand.Rand) {
	if !n.isDir() {
		for _, s := range slices.Sorted(maps.Keys(n.dirty)) {
			if random.IntN(2) == 0 {
				n.keep(s)
			}
		}
		if len(n.content) > len(n.synced) && random.IntN(2) == 0 {
			n.grow(len(n.content)) // the size was written, but not all of the content
		}
		n.content = slices.Clone(n.synced)
		clear(n.dirty)
		clear(n.lost)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(n.pending)) {
		states := append([]*inode{n.kept[name]}, n.pending[name]...)
		if node := states[random.IntN(len(states))]; node != nil {
			n.kept[name] = node
		} else {
			delete(n.kept, name)
		}
	}
	clear(n.pending)
	n.names = maps.Clone(n.kept)
	for _, name := range slices.Sorted(maps.Keys(n.names)) {
		n.names[name].lose(random)
	}
}
