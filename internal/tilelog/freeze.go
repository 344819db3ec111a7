package tilelog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// frozenLine begins the extension line of a log's last checkpoint.
const frozenLine = "hallmark frozen "

// ErrFrozen says that the log takes no entries any more: see Freeze.
var ErrFrozen = errors.New("log is frozen")

// Freeze ends a log for good: it brings what is in the journal into tiles, and signs
// the last checkpoint, of the last size, which says so in an extension line with the
// time:
//
//	log.example.com
//	20852163
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//	hallmark frozen 2026-11-25T04:30:00Z
//
// Witnesses cosign it where they must. A log that is frozen already stays as it is.
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
		return fmt.Errorf("freezing log %s: %w", l.o.Dir, err)
	}
	return nil
}

// freeze writes the last checkpoint, while nobody else has the log.
func (l *Log) freeze(ctx context.Context) error {
	lock, err := l.o.FS.Lock(l.o.path("lock"))
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
	files := durable.Batch{FS: l.o.FS, Temp: l.o.path("tmp")}
	return errors.Join(files.Write(l.o.path("checkpoint"), envelope, 0o644), files.Sync())
}

// IsFrozen says whether a checkpoint is the last of a log that Freeze has ended.
func IsFrozen(c checkpoint.Checkpoint) bool {
	return slices.ContainsFunc(c.Extensions, func(line string) bool { return strings.HasPrefix(line, frozenLine) })
}

// Frozen serves a log that Freeze has ended, as Log.Handler served it. Nobody needs
// its keys for that. Errors: the log is not frozen, or its checkpoint is not signed
// by one of o.Verifiers.
func Frozen(o Options, prefix string) (*http.ServeMux, error) {
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	envelope, err := durable.ReadFile(o.FS, o.path("checkpoint"))
	if err != nil {
		return nil, fmt.Errorf("opening frozen log %s: %w", o.Dir, err)
	}
	c, err := o.openCheckpoint(envelope)
	if err == nil && !IsFrozen(c) {
		err = &WentBack{Dir: o.Dir, Has: c.Size, By: "it was frozen, and its checkpoint does not say so"}
	}
	if err != nil {
		return nil, fmt.Errorf("opening frozen log %s: %w", o.Dir, err)
	}
	e := &engine{o: o}
	e.published.Store(c.Size)
	l := &Log{o: o, cutting: make(chan struct{}, cutters)}
	l.engine.Store(e)
	return l.Handler(prefix), nil
}
