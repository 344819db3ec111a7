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

// Tokens checks ID tokens. Its methods are called by many goroutines at once.
type Tokens interface {
	// Check returns whom a token is for, and the claims of which a proof of possession
	// signs one. An error with Unavailable() bool that is true in its chain means that
	// the issuer could not be asked: the client is told to come again. Any other
	// means that the token is no good; one with ForClient() string in its chain says
	// why. Errors go to the log, so they don't quote the token.
	Check(ctx context.Context, token string) (id identity.Identity, challenges []string, err error)
}

// CTLog logs precertificates. Its methods are called by many goroutines at once.
type CTLog interface {
	// AddPrecert gives the timestamp of a precertificate, DER, once that is
	// durably logged. chain begins with its issuer and ends with the root. Errors:
	// those of package tilelog, and the context's.
	AddPrecert(ctx context.Context, precert []byte, chain []*x509.Certificate) (sct.SCT, error)

	// Recent gives the precertificates logged since a time, the newest first.
	Recent(ctx context.Context, since time.Time) iter.Seq2[*x509.Certificate, error]
}

// Options say what an authority needs. All fields are required, but Limit.
type Options struct {
	Key           crypto.Signer       // of Chain[0]
	Chain         []*x509.Certificate // issuing certificate first, root last
	Tokens        Tokens
	CTLog         CTLog
	Configuration fulcio.Configuration // what clients are told of Tokens
	Clock         func() time.Time
	Logger        *slog.Logger

	// Limit bounds certificates by identity; nil: it does not.
	Limit *admission.Limiter
}

// Authority issues certificates. Its methods may be called by many goroutines at
// once.
type Authority struct {
	o       Options
	profile *profile
	claims  claims

	// Answers that never change.
	trustBundle   []byte
	configuration []byte
	rootCert      []byte
}

// New makes an authority, which knows the keys that CTLog has certificates of that may
// live still. It refuses a key and a chain that don't belong
// together, and a chain that can't issue code signing certificates now.
func New(o Options) (*Authority, error) {
	if o.Key == nil || o.Tokens == nil || o.CTLog == nil || o.Clock == nil || o.Logger == nil {
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
	if a.configuration, err = o.Configuration.Marshal(); err != nil {
		return nil, fmt.Errorf("making certificate authority: %w", err)
	}
	if err := a.recall(context.Background()); err != nil {
		return nil, fmt.Errorf("making certificate authority: %w", err)
	}
	return a, nil
}

// checkChain checks that key is that of the first certificate, that it may issue,
// and that each certificate is the issuer of the one before it.
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
