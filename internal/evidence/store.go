// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/attestations"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// Reasons not to store a bundle, besides those of package verify
// (*verify.Error).
var (
	errKey         = errors.New("bundle is signed with a key")
	errTooLarge    = errors.New("bundle is too large")
	errPadded      = errors.New("bundle has too much around its statement")
	errSubjects    = errors.New("bundle is too large for all its subjects")
	errStranger    = errors.New("entry or timestamp that the trusted root does not know")
	errSubjectFull = errors.New("subject has all the bundles that it may have")
	errFull        = errors.New("store is full")
	errFailed      = errors.New("store has stopped after an error of the disk")
	errUnreadable  = errors.New("bundles can't be listed")
	errCounting    = errors.New("store is still being counted")
)

// Options holds the settings of a store. All fields are required except FS, Witnesses and
// Limit.
type Options struct {
	FS        durable.FS       // nil means durable.OS
	Dir       string           // created if missing
	URL       string           // base URL of the instance, for links
	Root      *trust.Root      // verifies bundles
	Witnesses []checkpoint.Key // witnesses whose cosignatures count as proofs; may be empty
	MaxBytes  int64            // bound of all bundles together
	Logger    *slog.Logger

	// Limit bounds posts by address. Nil means no limit.
	Limit *admission.Limiter
}

// maxAround bounds the bytes of a bundle besides its statement. Anyone can add
// unverified lines to a checkpoint, for example.
const maxAround = 64 << 10

// listers bounds the directories that are listed at a time. One may have ten
// thousand names.
const listers = 4

// A Store is an open store. It is safe for concurrent use.
type Store struct {
	o        Options
	verifier *verify.Verifier
	lock     io.Closer
	subjects [64]sync.Mutex // by the first byte of a digest: one writer per subject
	listing  chan struct{}  // holds one value per directory being listed

	used    atomic.Int64 // bytes of all bundles; valid once counted is closed
	counted chan struct{}
	stop    context.CancelFunc // ends the reopen loop
	stopped chan struct{}      // closed when the reopen loop has ended
	failed  atomic.Bool
	broken  chan struct{} // capacity 1; receives when failed becomes true
}

// New opens the store in o.Dir, or creates it. Errors match
// [durable.ErrLocked].
func New(o Options) (*Store, error) {
	s, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("opening evidence store: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.survive(durable.Probe(s.o.FS, s.temp())) // reads work even if writes fail
	go s.keep(ctx)
	return s, nil
}

func open(o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	s := &Store{o: o, counted: make(chan struct{}), stopped: make(chan struct{}), broken: make(chan struct{}, 1), listing: make(chan struct{}, listers)}
	var err error
	if s.verifier, err = verify.New(o.Root); err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(o.FS, filepath.Join(o.Dir, "sha256"), 0o755); err != nil {
		return nil, err
	}
	if s.lock, err = o.FS.Lock(filepath.Join(o.Dir, "lock")); err != nil {
		return nil, err
	}
	if err := s.clear(); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	return s, nil
}

// clear removes temporary files that a crash has left.
func (s *Store) clear() error {
	if err := s.o.FS.RemoveAll(s.temp()); err != nil {
		return err
	}
	return durable.MkdirAll(s.o.FS, s.temp(), 0o755)
}

func (s *Store) temp() string { return filepath.Join(s.o.Dir, "tmp") }

// Keep verifies a bundle of the artifact with this SHA-256 and stores it
// durably. id is its position among the artifact's bundles, from 1. Errors
// match [bundle.ErrMalformed] or those above, or are of type *[verify.Error].
func (s *Store) Keep(ctx context.Context, digest, raw []byte) (id int, err error) {
	b, err := bundle.Parse(raw)
	if err != nil {
		return 0, err
	}
	result, err := s.verify(b, digest)
	if err != nil {
		return 0, err
	}
	if b.Envelope != nil {
		b.Envelope.Signatures[0].KeyID = ""
	}
	stored, err := b.Marshal()
	if err != nil {
		return 0, err
	}
	if err := checkSize(b, result, len(stored)); err != nil {
		return 0, err
	}
	if err := s.waitCounted(ctx); err != nil {
		return 0, err
	}
	return s.add(digest, recordOf(result, int64(len(stored))), stored)
}

// checkSize bounds the space of one log entry.
func checkSize(b *bundle.Bundle, r *verify.Result, size int) error {
	statement, subjects := 0, 1
	if b.Envelope != nil {
		statement = base64.StdEncoding.EncodedLen(len(b.Envelope.Payload))
	}
	if r.Statement != nil {
		subjects = len(r.Statement.Subject)
	}
	switch {
	case size > attestations.MaxBundle:
		return errTooLarge
	case size-statement > maxAround:
		return errPadded
	case size > attestations.MaxBytes/subjects:
		return errSubjects
	}
	return nil
}

// verify verifies the bundle. Every part of it must be known to the instance,
// since an unverified part could contain anything.
func (s *Store) verify(b *bundle.Bundle, digest []byte) (*verify.Result, error) {
	if len(b.Certificates) == 0 {
		return nil, errKey
	}
	result, err := s.verifier.Verify(b, verify.FromDigest(crypto.SHA256, digest), verify.Requirements{AnyIdentityUnsafe: true, WitnessPolicies: []checkpoint.WitnessPolicy{checkpoint.AtLeast(0, s.o.Witnesses)}})
	if err != nil {
		return nil, err
	}
	stamped := 0
	for _, t := range result.Times {
		if t.Authority != nil {
			stamped++
		}
	}
	if len(result.Entries) != len(b.Entries) || stamped != len(b.Timestamps) {
		return nil, errStranger
	}
	return result, nil
}

// Bytes returns the size of all bundles together.
func (s *Store) Bytes() int64 { return s.used.Load() }

// Failed reports whether the store refuses bundles after a disk error.
func (s *Store) Failed() bool { return s.failed.Load() }

// Close releases the directory. No posts may be in progress.
func (s *Store) Close() error {
	s.stop()
	<-s.stopped
	return s.lock.Close()
}
