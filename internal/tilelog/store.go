// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// A Storage holds a log. Package posix makes one of a directory. All fields but Notes are
// required.
type Storage struct {
	Name string // for messages, such as the directory

	// Lock keeps out every process that must not write at the same time, until the lock is
	// closed. It creates missing storage. Storage for many writers locks nothing. Errors:
	// *Lost, before anything is written; durable.ErrLocked.
	Lock func() (io.Closer, error)

	// Objects holds the files that readers see. They can be read without the lock.
	Objects Objects

	// Journal opens the journal of a log whose first size entries are in objects, complete and
	// under a checkpoint. It is called under the lock, each time the log is opened or
	// reopened, after the last journal was closed. leaves is nil if [Turn.Known] will not be
	// called. Errors: *Lost if size is 0 and a checkpoint existed and is gone.
	Journal func(size uint64, leaves *Leaves) (Journal, error)

	// Notes remember the log outside of its entries' storage. The first note is the start
	// marker: a log that it remembers is never created anew.
	Notes []Note
}

// Leaves reads leaf hashes, for a journal with an index of duplicates of its own.
type Leaves struct {
	// Of returns the leaf hash of an entry.
	Of func(entry []byte) (tlog.Hash, error)
	// From calls each with the leaf hashes of the entries in objects, from an index on, in
	// order. It returns the first error of each.
	From func(from uint64, each func(leaf [32]byte) error) error
}

// A Journal puts the batches of a log into one order and makes them durable, before they
// are in objects. One process may be its only writer, or one of several. Turn, Probe and
// Close are for one goroutine; Forget may be called by another one at the same time.
type Journal interface {
	// Turn waits until no other writer may commit, and begins this caller's turn. The caller
	// has the first size entries. A Turn must be released before the next. Errors: ErrSeenMore
	// if the journal ends before size; the context's. After any error the journal may only be
	// closed.
	Turn(ctx context.Context, size uint64) (Turn, error)

	// Forget reports that the first size entries are durable in objects, whole and under a
	// checkpoint. The journal need not keep their batches.
	Forget(size uint64)

	// Probe returns an error if nothing can be committed now, such as on a full disk.
	Probe() error

	// Close closes the journal. It waits for work in the background.
	Close() error
}

// A Turn is the right to append the next batch. It belongs to the goroutine that took it.
type Turn interface {
	// Since returns, in order, the batches that were committed after the caller's first size
	// entries, by an earlier process or another one. They are durable or will be once
	// Commit returns. The caller must replay them before anything else, and must tolerate
	// batches that it has already.
	Since() []Promised

	// Known returns those of leaves that are in the log, with their first index, in the order
	// of leaves. It does not cover the batch in progress.
	Known(leaves []tlog.Hash) ([]Found, error)

	// Commit appends a batch. leaves are the leaf hashes of p.Entries. When it returns nil,
	// the batch has the durability of the storage, and so has everything that Since and Known
	// have returned: only then may entries be answered. A batch without entries only asks for
	// the latter. After an error the batch may or may not be there: none of it may be
	// answered, and the journal may only be closed. Losing the turn while the caller slept is
	// such an error. Commit takes no context and does not return early.
	Commit(p Promised, leaves []tlog.Hash) error

	// Release ends the turn. It can't fail: storage that does not learn of the release ends
	// the turn itself.
	Release()
}

// A Promised is a batch, and the checkpoint that was signed with it.
type Promised struct {
	Base       uint64 // size of the log before the batch
	Checkpoint []byte // signed, of the size after it
	Entries    [][]byte
}

// End returns the size of the log after the batch.
func (p Promised) End() uint64 { return p.Base + uint64(len(p.Entries)) }

// A Found is a leaf that the log has, with its index.
type Found struct {
	Leaf  tlog.Hash
	Index uint64
}

// Objects keeps named, mostly immutable contents: tiles and the checkpoint. Names are paths
// with slashes. It is safe for concurrent use.
type Objects interface {
	// Open opens an object. Errors: fs.ErrNotExist.
	Open(ctx context.Context, name string) (Object, error)

	// Create writes objects that never change. They are durable when it returns nil; after an
	// error some of them may be there. If one is there already with other contents, storage
	// for several writers returns ErrDiffers. Storage for one replaces it: it is damaged.
	Create(ctx context.Context, objects ...Content) error

	// Swap replaces the contents of an object, if they are old; nil: if there is no such
	// object. The new ones are durable when it returns nil. Readers see the old contents or
	// the new ones. Errors: ErrChanged if the contents are others; after any other error
	// they may be the old or the new ones.
	Swap(ctx context.Context, name string, old, contents []byte) error

	// Delete removes the objects directly below dir whose last name element obsolete reports
	// true for; nil: all of them. It need not be durable.
	Delete(ctx context.Context, dir string, obsolete func(base string) bool) error
}

// Content is an object to be written.
type Content struct {
	Name string
	Data []byte
}

// An Object is an open object. It is safe for concurrent use, and keeps its contents when the
// object is replaced or deleted.
type Object interface {
	io.ReaderAt
	io.Closer
	Size() int64 // in bytes
	// Content returns the first n bytes, for [net/http.ServeContent].
	Content(n int64) io.ReadSeeker
}

// A Note keeps a signed checkpoint outside of the storage of the log's entries, so that an old
// copy of these is noticed. It is for one goroutine.
type Note interface {
	// Name returns the name of the note in messages, such as its path.
	Name() string
	// Read returns the contents written last. Errors: fs.ErrNotExist.
	Read() ([]byte, error)
	// Write replaces the note. It is durable when it returns nil. Errors: fs.ErrNotExist if
	// the place of the note is missing, and may come back.
	Write(checkpoint []byte) error
}

// Errors of storage. ErrDiffers: an immutable object exists with other contents, so two
// histories of the log are in the same place. ErrChanged: another writer has replaced the
// object.
var (
	ErrDiffers = errors.New("object is there with other contents")
	ErrChanged = errors.New("object was changed by another writer")
)

// maxObject bounds an object that read reads, in bytes. The largest tile, of the longest
// entries, has half as many.
const maxObject = 128 << 20

// read reads a whole object.
func read(ctx context.Context, objects Objects, name string) ([]byte, error) {
	o, err := objects.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.Size() > maxObject {
		return nil, fmt.Errorf("reading %s: more than %d bytes", name, maxObject)
	}
	data := make([]byte, o.Size())
	if n, err := o.ReadAt(data, 0); n < len(data) {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return data, nil
}

// A cell is an object that one goroutine replaces, with its present contents.
type cell struct {
	objects Objects
	name    string
	now     []byte // nil: no object
}

// load reads the contents. Errors: fs.ErrNotExist.
func (c *cell) load() (err error) {
	c.now, err = read(context.Background(), c.objects, c.name)
	return err
}

func (c *cell) swap(contents []byte) error {
	if err := c.objects.Swap(context.Background(), c.name, c.now, contents); err != nil {
		return err
	}
	c.now = contents
	return nil
}
