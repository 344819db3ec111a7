// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// frozenLine begins the extension line of a log's last checkpoint.
const frozenLine = "hallmark frozen "

// ErrFrozen reports that the log accepts no more entries. See [Freeze].
var ErrFrozen = errors.New("log is frozen")

// Freeze ends a log permanently. It moves the contents of the journal into tiles, and signs a
// last checkpoint of the last size, with an extension line that holds the time:
//
//	log.example.com
//	20852163
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//	hallmark frozen 2026-11-25T04:30:00Z
//
// Witnesses cosign it if they are required. Freeze does nothing if the log is already frozen.
func Freeze(ctx context.Context, o Options) error {
	o.ending = true
	l, err := Open(o)
	if errors.Is(err, ErrFrozen) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("freezing log: %w", err)
	}
	err = l.Close(ctx)
	if err == nil {
		err = l.freeze(ctx)
	}
	if err != nil {
		return fmt.Errorf("freezing log %s: %w", l.o.Storage.Name, err)
	}
	return nil
}

// freeze writes the last checkpoint. No other process may have the log open.
func (l *Log) freeze(ctx context.Context) error {
	lock, err := l.o.Storage.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	e := l.engine.Load()
	last := checkpoint.Checkpoint{
		Origin: l.o.Origin, Size: e.head.size, Root: e.head.root,
		Extensions: []string{frozenLine + l.o.Clock().UTC().Format("2006-01-02T15:04:05Z")},
	}
	envelope, err := checkpoint.Sign(last, l.o.Signers...)
	if err != nil {
		return err
	}
	if l.o.Witnessed {
		envelope, err = l.o.Cosigner.Cosign(ctx, envelope, last.Size, e.proofTo(last.Size))
		if err != nil {
			return err
		}
	}
	return e.shown.swap(envelope)
}

// IsFrozen reports whether a checkpoint is the last of a log that [Freeze] ended.
func IsFrozen(c checkpoint.Checkpoint) bool {
	return slices.ContainsFunc(c.Extensions, func(line string) bool { return strings.HasPrefix(line, frozenLine) })
}

// Frozen opens a log that Freeze has ended, for reading: Append returns ErrFrozen. Frozen
// needs neither its keys nor its lock. Errors: the log is not frozen, or its checkpoint is not
// signed by one of o.Verifiers.
func Frozen(o Options) (*Log, error) {
	l, err := openFrozen(o)
	if err != nil {
		return nil, fmt.Errorf("opening frozen log %s: %w", o.Storage.Name, err)
	}
	return l, nil
}

func openFrozen(o Options) (*Log, error) {
	envelope, err := read(context.Background(), o.Storage.Objects, "checkpoint")
	if err != nil {
		return nil, err
	}
	c, err := o.openCheckpoint(envelope)
	if err != nil {
		return nil, err
	}
	if !IsFrozen(c) {
		return nil, &WentBack{Dir: o.Storage.Name, Has: c.Size, By: "it was frozen, and its checkpoint does not say so"}
	}
	e := &engine{o: o, head: head{size: c.Size, root: c.Root, envelope: envelope}, closed: true, failed: make(chan struct{}), failure: ErrFrozen}
	close(e.failed)
	e.tree = newTree(e.readHashes)
	e.tree.size = c.Size
	e.published.Store(c.Size)
	l := newLog(o)
	l.engine.Store(e)
	l.reach.extend(c.Size)
	close(l.stopped)
	return l, nil
}
