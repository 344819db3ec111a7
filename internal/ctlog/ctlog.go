// SPDX-License-Identifier: Apache-2.0

package ctlog

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/internal/tilelog/posix"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

// Options holds the settings of a log. All fields are required except Notes and FS.
type Options struct {
	Dir    string        // created if missing
	FS     durable.FS    // file system of Dir; nil means durable.OS
	Origin string        // submission prefix without scheme: first line of checkpoints
	Key    crypto.Signer // P-256, or RSA of 2048 bits and more
	Clock  func() time.Time
	Logger *slog.Logger
	Notes  []string // see posix.Options
}

// A Log is an open log. It is safe for concurrent use.
type Log struct {
	key     crypto.Signer
	log     *tilelog.Log
	issuers *issuers
	logger  *slog.Logger
}

// New opens or creates the log in o.Dir. Errors are those of tilelog.Open. They
// match [sigalg.ErrUnknown] or [sigalg.ErrWeakKey] for a key that RFC 6962 does
// not allow.
func New(o Options) (*Log, error) {
	clock := &clock{now: o.Clock}
	signer, err := checkpoint.NewTreeHeadSigner(o.Origin, o.Key, clock.Now)
	if err != nil {
		return nil, fmt.Errorf("opening CT log: %w", err)
	}
	verifier, err := checkpoint.NewTreeHeadVerifier(o.Origin, o.Key.Public())
	if err != nil {
		return nil, fmt.Errorf("opening CT log: %w", err)
	}
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	issuers, err := openIssuers(o.FS, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening CT log: %w", err)
	}
	l, err := tilelog.Open(tilelog.Options{
		Storage: posix.Storage(posix.Options{Dir: o.Dir, FS: o.FS, Notes: o.Notes, Logger: o.Logger}), Origin: o.Origin,
		Signers: []note.Signer{signer}, Verifiers: []note.Verifier{verifier},
		Format: DataTiles(), Clock: clock.Now, Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("opening CT log: %w", err)
	}
	return &Log{key: o.Key, log: l, issuers: issuers, logger: o.Logger}, nil
}

// AddPrecert logs a precertificate and returns its timestamp. precert is DER
// with the poison; chain begins with its issuer. The caller is trusted to have
// signed it with the issuer's key. Errors are those of tilelog.Append.
func (l *Log) AddPrecert(ctx context.Context, precert []byte, chain []*x509.Certificate) (sct.SCT, error) {
	leaf, err := newLeaf(precert, chain)
	if err != nil {
		return sct.SCT{}, fmt.Errorf("logging precertificate: %w", err)
	}
	if err := l.issuers.add(chain); err != nil {
		return sct.SCT{}, fmt.Errorf("logging precertificate: %w", err)
	}
	// The sequencer calls this once, with the index assigned to the entry.
	place := func(index uint64, now time.Time) ([]byte, error) {
		extensions, err := sct.LeafIndexExtension(index)
		if err != nil {
			return nil, err
		}
		placed := leaf
		placed.Timestamp, placed.Extensions = uint64(now.UnixMilli()), extensions
		return placed.Marshal()
	}
	receipt, err := l.log.Append(ctx, tilelog.Pending{Make: place})
	if err != nil {
		return sct.SCT{}, fmt.Errorf("logging precertificate: %w", err)
	}
	extensions, err := sct.LeafIndexExtension(receipt.Index)
	if err != nil {
		return sct.SCT{}, err
	}
	return sct.Sign(l.key, leaf.Entry, uint64(receipt.Timestamp.UnixMilli()), extensions)
}

// newLeaf returns the entry without time and index. "The log MUST … refuse to
// publish certificates without a valid chain" (RFC 6962 §3.1); here, names are
// compared.
func newLeaf(precert []byte, chain []*x509.Certificate) (sct.Leaf, error) {
	cert, err := x509.ParseCertificate(precert)
	if err != nil {
		return sct.Leaf{}, fmt.Errorf("parsing precertificate: %w", err)
	}
	if len(chain) == 0 || !bytes.Equal(cert.RawIssuer, chain[0].RawSubject) {
		return sct.Leaf{}, errors.New("chain does not begin with the issuer")
	}
	if !poisoned(cert) {
		return sct.Leaf{}, errors.New("certificate has no critical poison extension")
	}
	entry, err := sct.NewPrecert(cert, chain[0])
	if err != nil {
		return sct.Leaf{}, err
	}
	leaf := sct.Leaf{Entry: entry, PreCertificate: precert}
	for _, issuer := range chain {
		leaf.Chain = append(leaf.Chain, fingerprint(issuer))
	}
	return leaf, nil
}

func poisoned(cert *x509.Certificate) bool {
	for _, ext := range cert.Extensions {
		if ext.Id.Equal(sct.OIDPoison()) {
			return ext.Critical
		}
	}
	return false
}

// Err returns nil while the log accepts entries. Otherwise the error matches
// tilelog.ErrFailed.
func (l *Log) Err() error { return cmp.Or(l.log.Err(), l.issuers.err()) }

// Size returns the number of entries.
func (l *Log) Size() uint64 { return l.log.Size() }

// Close finishes accepted requests and releases the directory.
func (l *Log) Close(ctx context.Context) error { return l.log.Close(ctx) }

// A clock never goes back, so that no tree head is older than a timestamp in
// its tree (RFC 6962 §3.5: "at least as recent as the most recent SCT
// timestamp").
type clock struct {
	now func() time.Time

	mu   sync.Mutex
	last time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.After(c.last) {
		c.last = now
	}
	return c.last
}
