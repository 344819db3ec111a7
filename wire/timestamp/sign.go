// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// A Stamp has the values that the authority adds to a request.
type Stamp struct {
	Time   time.Time             // truncated to whole seconds, because sigstore-js accepts no fraction
	Serial *big.Int              // unique for the authority, at most 256 bits long
	Policy asn1.ObjectIdentifier // requests for another policy are refused
}

// A Signer signs time-stamps with one key. It is safe for concurrent use if its
// key is.
type Signer struct {
	key       crypto.Signer
	leaf      *x509.Certificate
	digest    crypto.Hash
	algorithm asn1.ObjectIdentifier
	chain     []byte // certificates of the token, in DER order
	certHash  []byte // SHA-256 of leaf
}

// NewSigner returns a signer for key and its chain, leaf first. A self-issued
// certificate in the chain is not included in tokens unless it is the leaf.
func NewSigner(key crypto.Signer, chain []*x509.Certificate) (*Signer, error) {
	if len(chain) == 0 || len(chain) > maxCertificates {
		return nil, errors.New("making time-stamp signer: no certificates, or too many")
	}
	s := &Signer{key: key, leaf: chain[0], certHash: digest(crypto.SHA256, chain[0].Raw)}
	if err := checkLeaf(s.leaf); err != nil {
		return nil, fmt.Errorf("making time-stamp signer: %w", err)
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(s.leaf.PublicKey) {
		return nil, errors.New("making time-stamp signer: key is not the certificate's")
	}
	if err := s.choose(); err != nil {
		return nil, fmt.Errorf("making time-stamp signer: %w", err)
	}
	var all [][]byte
	for i, cert := range chain {
		if i == 0 || !bytes.Equal(cert.RawIssuer, cert.RawSubject) {
			all = append(all, cert.Raw)
		}
	}
	slices.SortFunc(all, bytes.Compare)
	s.chain = bytes.Join(all, nil)
	return s, nil
}

// choose sets the algorithms for the key.
func (s *Signer) choose() error {
	isECDSA := false
	switch key := s.key.Public().(type) {
	case *ecdsa.PublicKey:
		isECDSA = true
		switch size := key.Curve.Params().BitSize; size {
		case 256:
			s.digest = crypto.SHA256
		case 384:
			s.digest = crypto.SHA384
		case 521:
			s.digest = crypto.SHA512
		default:
			return fmt.Errorf("curves of %d bits are not supported", size)
		}
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return errors.New("RSA key is shorter than 2048 bits")
		}
		s.digest = crypto.SHA256
	case ed25519.PublicKey:
		// "When signing with Ed25519, the digest algorithm […] MUST be SHA-512" (RFC 8419 §3.1)
		s.digest, s.algorithm = crypto.SHA512, oidEd25519
		return nil
	default:
		return fmt.Errorf("keys of type %T are not supported", key)
	}
	for _, a := range signatures {
		if a.ecdsa == isECDSA && a.hash == s.digest {
			s.algorithm = a.oid
		}
	}
	return nil
}

// Sign returns the TimeStampResp that grants r.
func (s *Signer) Sign(r Request, stamp Stamp) ([]byte, error) {
	if r.Policy != nil && !r.Policy.Equal(stamp.Policy) {
		return nil, errors.New("signing time-stamp: request is for another policy")
	}
	info, err := marshalInfo(r, stamp)
	if err != nil {
		return nil, fmt.Errorf("signing time-stamp: %w", err)
	}
	attributes, err := s.attributes(info)
	if err != nil {
		return nil, fmt.Errorf("signing time-stamp: %w", err)
	}
	message, opts := attributes, crypto.Hash(0)
	if !s.algorithm.Equal(oidEd25519) {
		message, opts = digest(s.digest, attributes), s.digest
	}
	signature, err := s.key.Sign(rand.Reader, message, opts)
	if err != nil {
		return nil, fmt.Errorf("signing time-stamp: %w", err)
	}
	return s.marshal(r.CertReq, info, attributes, signature)
}
