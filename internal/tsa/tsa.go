// SPDX-License-Identifier: Apache-2.0

package tsa

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"time"

	"github.com/hallmark-sign/hallmark/wire/fulcio"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// Refusals of Grant.
var (
	errPolicy  = errors.New("request is for another policy")
	errExpired = errors.New("authority's certificate is not valid now")
)

// Options holds the settings of an authority. All fields but Policy are required.
type Options struct {
	Key    crypto.Signer         // key of Chain[0]
	Chain  []*x509.Certificate   // the authority's own certificate first, root last
	Policy asn1.ObjectIdentifier // nil means Sigstore's, 1.3.6.1.4.1.57264.2
	Clock  func() time.Time
	Logger *slog.Logger
}

// An Authority signs timestamps. It is safe for concurrent use.
type Authority struct {
	signer    *timestamp.Signer
	policy    asn1.ObjectIdentifier
	clock     clock
	logger    *slog.Logger
	certChain []byte // PEM

	// Validity of the whole chain, both ends included.
	notBefore, notAfter time.Time
}

// New returns an authority. It refuses a key and a chain that don't match, and
// a chain that is not for time stamping or not valid now.
func New(o Options) (*Authority, error) {
	if o.Key == nil || o.Clock == nil || o.Logger == nil {
		return nil, errors.New("making timestamp authority: key, clock and logger are required")
	}
	if o.Policy == nil {
		o.Policy = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}
	}
	signer, err := timestamp.NewSigner(o.Key, o.Chain)
	if err != nil {
		return nil, fmt.Errorf("making timestamp authority: %w", err)
	}
	if err := checkChain(o.Chain, o.Clock()); err != nil {
		return nil, fmt.Errorf("making timestamp authority: %w", err)
	}
	a := &Authority{
		signer: signer, policy: slices.Clone(o.Policy), clock: clock{read: o.Clock}, logger: o.Logger,
		certChain: fulcio.MarshalPEM(o.Chain),
		notBefore: o.Chain[0].NotBefore, notAfter: o.Chain[0].NotAfter,
	}
	for _, cert := range o.Chain {
		if cert.NotBefore.After(a.notBefore) {
			a.notBefore = cert.NotBefore
		}
		if cert.NotAfter.Before(a.notAfter) {
			a.notAfter = cert.NotAfter
		}
	}
	return a, nil
}

// checkChain checks that each certificate is the issuer of the one before it,
// up to a root.
func checkChain(chain []*x509.Certificate, now time.Time) error {
	last := chain[len(chain)-1]
	if !bytes.Equal(last.RawIssuer, last.RawSubject) {
		return errors.New("chain does not end with a root")
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	}
	options.Roots.AddCert(last)
	for _, cert := range chain {
		options.Intermediates.AddCert(cert)
	}
	paths, err := chain[0].Verify(options)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(paths, func(path []*x509.Certificate) bool {
		return slices.EqualFunc(path, chain, (*x509.Certificate).Equal)
	}) {
		return errors.New("chain is not in the order of issuing, or has more than one way to its root")
	}
	return nil
}

// stamp returns the TimeStampResp for a request.
func (a *Authority) stamp(r timestamp.Request) ([]byte, error) {
	if r.Policy != nil && !r.Policy.Equal(a.policy) {
		return nil, errPolicy
	}
	now, err := a.clock.now()
	if err != nil {
		return nil, err
	}
	if now.Before(a.notBefore) || now.After(a.notAfter) {
		return nil, fmt.Errorf("%w: %v is not between %v and %v", errExpired, now, a.notBefore, a.notAfter)
	}
	return a.signer.Sign(r, timestamp.Stamp{Time: now, Serial: newSerial(), Policy: a.policy})
}

// newSerial returns a random serial number: "TSA users MUST be ready to
// accommodate integers up to 160 bits" (RFC 3161 §2.4.2). It has 20 octets, is
// positive, and all but two bits are random.
func newSerial() *big.Int {
	serial := make([]byte, 20)
	rand.Read(serial) // crypto/rand.Read never fails
	serial[0] = serial[0]&0x3f | 0x40
	return new(big.Int).SetBytes(serial)
}
