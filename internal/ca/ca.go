// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

// Tokens checks ID tokens. Implementations must be safe for concurrent use.
type Tokens interface {
	// Check returns the identity of a token, and the claims of which a proof of
	// possession signs one. If an error in the chain has Unavailable() bool and it
	// returns true, the issuer could not be reached and the client is asked to
	// retry. Any other error means that the token is invalid; if one in the chain
	// has ForClient() string, it returns the reason for the client. Errors are
	// logged, so they must not quote the token.
	Check(ctx context.Context, token string) (id identity.Identity, challenges []string, err error)

	// Explain returns what a certificate for the token would contain. Errors are those
	// of Check.
	Explain(ctx context.Context, token string) (fulcio.Explanation, error)
}

// A CTLog logs precertificates. Implementations must be safe for concurrent
// use.
type CTLog interface {
	// AddPrecert durably logs a precertificate, DER, and returns its timestamp.
	// chain begins with its issuer and ends with the root. Errors are those of
	// package tilelog and the context's.
	AddPrecert(ctx context.Context, precert []byte, chain []*x509.Certificate) (sct.SCT, error)

	// Recent returns the precertificates logged since a time, newest first.
	Recent(ctx context.Context, since time.Time) iter.Seq2[*x509.Certificate, error]
}

// Options holds the settings of an authority. All fields are required except Limit.
type Options struct {
	Key           crypto.Signer       // key of Chain[0]
	Chain         []*x509.Certificate // issuing certificate first, root last
	Tokens        Tokens
	CTLog         CTLog
	Configuration func() fulcio.Configuration // describes Tokens for clients
	Clock         func() time.Time
	Logger        *slog.Logger

	// Limit bounds certificates by identity. Nil means no limit.
	Limit *admission.Limiter
}

// An Authority issues certificates. It is safe for concurrent use.
type Authority struct {
	o       Options
	profile *profile
	claims  claims

	// Constant responses.
	trustBundle []byte
	rootCert    []byte
}

// New returns an authority. It reads from CTLog which keys have certificates
// that may still be valid. It refuses a key and a chain that don't match, and a
// chain that can't issue code signing certificates now.
func New(o Options) (*Authority, error) {
	if o.Key == nil || o.Tokens == nil || o.CTLog == nil || o.Configuration == nil || o.Clock == nil || o.Logger == nil {
		return nil, errors.New("making certificate authority: key, tokens, CT log, clock and logger are required")
	}
	o.Chain = slices.Clone(o.Chain)
	if err := checkChain(o.Key, o.Chain, o.Clock()); err != nil {
		return nil, fmt.Errorf("making certificate authority: %w", err)
	}
	a := &Authority{o: o, rootCert: fulcio.MarshalPEM(o.Chain)}
	var err error
	if a.profile, err = newProfile(o.Key, o.Chain[0]); err != nil {
		return nil, fmt.Errorf("making certificate authority: %w", err)
	}
	if a.trustBundle, err = (fulcio.TrustBundle{o.Chain}).Marshal(); err != nil {
		return nil, fmt.Errorf("making certificate authority: %w", err)
	}
	if err := a.recall(context.Background()); err != nil {
		return nil, fmt.Errorf("making certificate authority: %w", err)
	}
	return a, nil
}

// checkChain checks that key belongs to the first certificate, that it may
// issue, and that each certificate is the issuer of the one before it.
func checkChain(key crypto.Signer, chain []*x509.Certificate, now time.Time) error {
	if len(chain) == 0 || len(chain) > fulcio.MaxChain {
		return fmt.Errorf("%d certificates in the chain, want 1 to %d", len(chain), fulcio.MaxChain)
	}
	issuing, last := chain[0], chain[len(chain)-1]
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !ok || !public.Equal(issuing.PublicKey):
		return errors.New("key is not that of the issuing certificate")
	case !issuing.BasicConstraintsValid || !issuing.IsCA || issuing.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New("issuing certificate is not an authority's")
	case len(issuing.SubjectKeyId) == 0:
		return errors.New("issuing certificate has no subject key identifier")
	case !bytes.Equal(last.RawIssuer, last.RawSubject):
		return errors.New("chain does not end with a root")
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	options.Roots.AddCert(last)
	for _, cert := range chain {
		options.Intermediates.AddCert(cert)
	}
	paths, err := issuing.Verify(options)
	if err != nil {
		return fmt.Errorf("issuing certificate: %w", err)
	}
	if !slices.ContainsFunc(paths, func(path []*x509.Certificate) bool {
		return slices.EqualFunc(path, chain, (*x509.Certificate).Equal)
	}) {
		return errors.New("chain is not in the order of issuing, or has more than one way to its root")
	}
	return nil
}
