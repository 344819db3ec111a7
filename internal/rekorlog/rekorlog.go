// SPDX-License-Identifier: Apache-2.0

package rekorlog

import (
	"context"
	"crypto"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/internal/tilelog/posix"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// Options holds the settings of a log. All fields without "may" are required.
type Options struct {
	Dir    string        // created if missing
	Origin string        // host name and path that clients reach the log at, without scheme and port
	Key    crypto.Signer // ECDSA P-256, unless all clients accept another kind
	Logger *slog.Logger

	// Note signs checkpoints besides Key, with Ed25519, the only algorithm that
	// witnesses and many readers of tlog-tiles support. Sigstore clients ignore
	// its line. It may be nil.
	Note crypto.Signer

	Witnesses *Witnesses // may be nil for none; require Note
	Notes     []string   // may be nil; see posix.Options

	Limits Limits // zero means none
}

// Limits bounds what untrusted clients add. A nil limiter limits nothing.
type Limits struct {
	// Identify returns the identity of a certificate, DER, and reports whether
	// this instance issued it. Nil means that no certificate is known.
	Identify func(certificate []byte) (identity string, ok bool)

	Identities *admission.Limiter // entries with such a certificate, by identity
	Addresses  *admission.Limiter // all others, by address
}

// Witnesses holds the witnesses that cosign checkpoints.
type Witnesses struct {
	Cosigner tilelog.Cosigner
	Required bool // see tilelog.Options.Witnessed
}

// A Log is an open log. It is safe for concurrent use.
type Log struct {
	log    *tilelog.Log
	logID  []byte
	logger *slog.Logger
	limits Limits
}

// engine returns the options for tilelog.
func (o Options) engine() (tilelog.Options, error) {
	signer, err := checkpoint.NewSigner(o.Origin, o.Key)
	if err != nil {
		return tilelog.Options{}, err
	}
	verifier, err := checkpoint.NewVerifier(o.Origin, o.Key.Public())
	if err != nil {
		return tilelog.Options{}, err
	}
	out := tilelog.Options{
		Storage: posix.Storage(posix.Options{Dir: o.Dir, Notes: o.Notes, Logger: o.Logger}), Origin: o.Origin,
		Signers: []note.Signer{signer}, Verifiers: []note.Verifier{verifier},
		Format: tilelog.EntryBundles(), Dedup: true, Clock: time.Now, Logger: o.Logger,
	}
	if o.Note != nil {
		signer, err := checkpoint.NewSigner(o.Origin, o.Note)
		if err != nil {
			return tilelog.Options{}, err
		}
		out.Signers = append(out.Signers, signer)
	}
	if w := o.Witnesses; w != nil {
		out.Cosigner, out.Witnessed = w.Cosigner, w.Required
	}
	return out, nil
}

// New opens or creates the log in o.Dir. Errors are those of tilelog.Open.
func New(o Options) (*Log, error) {
	l, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("opening transparency log: %w", err)
	}
	return l, nil
}

func open(o Options) (*Log, error) {
	logID, err := checkpoint.LogID(o.Origin, o.Key.Public())
	if err != nil {
		return nil, err
	}
	engine, err := o.engine()
	if err != nil {
		return nil, err
	}
	l, err := tilelog.Open(engine)
	if err != nil {
		return nil, err
	}
	return &Log{log: l, logID: logID, logger: o.Logger, limits: o.Limits}, nil
}

// admit verifies a signature within the limits. Clients without a certificate
// are counted first, since verification is expensive. An identity is counted
// after its key has verified the signature, so that a client can't use up another
// identity's attempts. Errors are of type *[admission.Throttled] or those of
// rekor.HashedRekord.Verify.
func (l *Log) admit(ctx context.Context, h rekor.HashedRekord) error {
	identity, known := "", false
	if l.limits.Identify != nil && h.Verifier.Certificate != nil {
		identity, known = l.limits.Identify(h.Verifier.Certificate)
	}
	if !known {
		if err := l.limits.Addresses.Take(admission.ClientOf(ctx).Key()); err != nil {
			return err
		}
	}
	if err := h.Verify(); err != nil {
		return err
	}
	return l.limits.Identities.Take(identity)
}

// Add verifies and logs a signature. Errors are those of admit and of
// tilelog.Append.
func (l *Log) Add(ctx context.Context, h rekor.HashedRekord) (rekor.Entry, error) {
	if err := l.admit(ctx, h); err != nil {
		return rekor.Entry{}, err
	}
	body, err := h.Body()
	if err != nil {
		return rekor.Entry{}, err
	}
	receipt, err := l.log.Append(ctx, tilelog.Pending{Entry: body})
	if err != nil {
		return rekor.Entry{}, err
	}
	return rekor.Entry{
		LogIndex: receipt.Index, LogID: l.logID,
		Kind: rekor.KindHashedRekord, Version: rekor.VersionHashedRekord,
		Proof:             &rekor.Proof{InclusionProof: receipt.Proof, Root: receipt.Root, Checkpoint: receipt.Checkpoint},
		CanonicalizedBody: body,
	}, nil
}

// Err returns nil while the log accepts entries, and an error matching
// tilelog.ErrFailed afterwards.
func (l *Log) Err() error { return l.log.Err() }

// Size returns the number of entries.
func (l *Log) Size() uint64 { return l.log.Size() }

// Close finishes accepted requests and releases the directory.
func (l *Log) Close(ctx context.Context) error { return l.log.Close(ctx) }
