// SPDX-License-Identifier: Apache-2.0

package tilelog_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/tilelog"
)

// A memory is storage for several writers, as a database and an object store would be. A turn is
// a lock that all of them share; its holder gets the batches that the others have committed.
type memory struct {
	turn chan struct{} // holds a value while a writer has the turn

	mu      sync.Mutex
	batches []tilelog.Promised
	known   map[tlog.Hash]uint64
	objects map[string][]byte
	doubt   error // the next Commit returns it, with the batch committed
}

func newMemory() *memory {
	return &memory{turn: make(chan struct{}, 1), known: map[tlog.Hash]uint64{}, objects: map[string][]byte{}}
}

// storage returns the storage as one process sees it.
func (m *memory) storage() tilelog.Storage {
	return tilelog.Storage{
		Name: "memory", Objects: memoryObjects{m},
		Lock: func() (io.Closer, error) { return io.NopCloser(nil), nil },
		Journal: func(uint64, *tilelog.Leaves) (tilelog.Journal, error) {
			return memoryJournal{m}, nil
		},
	}
}

func (m *memory) size() uint64 {
	if len(m.batches) == 0 {
		return 0
	}
	return m.batches[len(m.batches)-1].End()
}

type memoryJournal struct{ *memory }

func (m memoryJournal) Turn(ctx context.Context, size uint64) (tilelog.Turn, error) {
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if size > m.size() {
		<-m.turn
		return nil, tilelog.ErrSeenMore
	}
	t := memoryTurn{memory: m.memory}
	for _, p := range m.batches {
		if p.End() > size {
			t.since = append(t.since, p)
		}
	}
	return t, nil
}

func (memoryJournal) Forget(uint64) {}
func (memoryJournal) Probe() error  { return nil }
func (memoryJournal) Close() error  { return nil }

type memoryTurn struct {
	*memory
	since []tilelog.Promised
}

func (t memoryTurn) Since() []tilelog.Promised { return t.since }

func (t memoryTurn) Known(leaves []tlog.Hash) (found []tilelog.Found, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, leaf := range leaves {
		if index, ok := t.known[leaf]; ok {
			found = append(found, tilelog.Found{Leaf: leaf, Index: index})
		}
	}
	return found, nil
}

func (t memoryTurn) Commit(p tilelog.Promised, leaves []tlog.Hash) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.Base != t.size() {
		return errors.New("the turn was lost")
	}
	if len(p.Entries) == 0 {
		return nil
	}
	t.batches = append(t.batches, p)
	for i, leaf := range leaves {
		if _, ok := t.known[leaf]; !ok {
			t.known[leaf] = p.Base + uint64(i)
		}
	}
	err := t.doubt
	t.memory.doubt = nil
	return err
}

func (t memoryTurn) Release() { <-t.turn }

type memoryObjects struct{ *memory }

type memoryObject struct{ *bytes.Reader }

func (memoryObject) Close() error                    { return nil }
func (o memoryObject) Content(n int64) io.ReadSeeker { return io.NewSectionReader(o, 0, n) }

func (m memoryObjects) Open(_ context.Context, name string) (tilelog.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.objects[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return memoryObject{bytes.NewReader(data)}, nil
}

func (m memoryObjects) Create(_ context.Context, all ...tilelog.Content) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range all {
		if there, ok := m.objects[c.Name]; ok && !bytes.Equal(there, c.Data) {
			return tilelog.ErrDiffers
		}
		m.objects[c.Name] = bytes.Clone(c.Data)
	}
	return nil
}

func (m memoryObjects) Swap(_ context.Context, name string, old, contents []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if there, ok := m.objects[name]; ok != (old != nil) || !bytes.Equal(there, old) {
		return tilelog.ErrChanged
	}
	m.objects[name] = bytes.Clone(contents)
	return nil
}

func (m memoryObjects) Delete(_ context.Context, dir string, obsolete func(string) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.objects {
		if base, ok := strings.CutPrefix(name, dir+"/"); ok && (obsolete == nil || obsolete(base)) {
			delete(m.objects, name)
		}
	}
	return nil
}
