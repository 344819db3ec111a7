// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// A Certifier is a certificate authority, used with the caller's identity.
type Certifier interface {
	// Certify returns a certificate for the public half of key, leaf first. It proves
	// possession with key. Each call returns another certificate.
	Certify(ctx context.Context, key crypto.Signer) ([]*x509.Certificate, error)
}

// A Timestamper is a timestamp authority.
type Timestamper interface {
	// Timestamp returns a TimeStampResp (RFC 3161, DER) over the hash of signature.
	Timestamp(ctx context.Context, signature []byte) ([]byte, error)
}

// A Log is a transparency log.
type Log interface {
	// Add logs h and returns the entry with its inclusion proof. Adding the same again returns
	// the same entry.
	Add(ctx context.Context, h rekor.HashedRekord) (rekor.Entry, error)
}

// A Signer makes bundles with one key. Signing does not change it, but a certified key is
// intended for one signature.
type Signer struct {
	Key          crypto.Signer // required
	Certifier    Certifier     // nil: the bundle names the key itself, by its hint
	Timestampers []Timestamper // each must answer
	Logs         []Log         // each must answer
}

// Message signs the bytes of an artifact, which it reads once.
func (s Signer) Message(ctx context.Context, artifact io.Reader) (*bundle.Bundle, error) {
	alg, err := s.algorithm()
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	hash := alg.Hash.New()
	if _, err := io.Copy(hash, artifact); err != nil {
		return nil, fmt.Errorf("signing: reading artifact: %w", err)
	}
	digest := hash.Sum(nil)
	b, signature, err := s.sign(ctx, alg, digest)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	b.Message = &bundle.MessageSignature{Hash: alg.Hash, Digest: digest, Signature: signature}
	return b, nil
}

// Envelope signs a payload of a type, for example an in-toto statement as
// dsse.PayloadTypeInToto.
func (s Signer) Envelope(ctx context.Context, payloadType string, payload []byte) (*bundle.Bundle, error) {
	alg, err := s.algorithm()
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	hash := alg.Hash.New()
	dsse.WritePAE(hash, payloadType, payload)
	b, signature, err := s.sign(ctx, alg, hash.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	b.Envelope = &dsse.Envelope{PayloadType: payloadType, Payload: payload, Signatures: []dsse.Signature{{Sig: signature}}}
	return b, nil
}

// algorithm returns the algorithm that the key signs with: the first in the registry that a
// log can check by digest.
func (s Signer) algorithm() (sigalg.Algorithm, error) {
	if s.Key == nil {
		return sigalg.Algorithm{}, errors.New("the Signer has no Key")
	}
	pub := s.Key.Public()
	if _, ok := pub.(ed25519.PublicKey); ok {
		return sigalg.ByName(sigalg.Ed25519ph)
	}
	return sigalg.ForKey(pub)
}

// sign fills all of the bundle but its content.
func (s Signer) sign(ctx context.Context, alg sigalg.Algorithm, digest []byte) (*bundle.Bundle, []byte, error) {
	b := &bundle.Bundle{Version: bundle.V03}
	verifier, err := s.verifier(ctx, b, alg)
	if err != nil {
		return nil, nil, err
	}
	signature, err := alg.SignDigest(rand.Reader, s.Key, digest)
	if err != nil {
		return nil, nil, err
	}
	h := rekor.HashedRekord{Digest: digest, Signature: signature, Verifier: verifier}
	if err := s.witness(ctx, b, h); err != nil {
		return nil, nil, err
	}
	return b, signature, nil
}

// verifier certifies the key and puts the certificate, or the key's hint, into b.
func (s Signer) verifier(ctx context.Context, b *bundle.Bundle, alg sigalg.Algorithm) (rekor.Verifier, error) {
	v := rekor.Verifier{KeyDetails: alg.Name}
	if s.Certifier == nil {
		der, err := x509.MarshalPKIXPublicKey(s.Key.Public())
		if err != nil {
			return v, err
		}
		v.PublicKey, b.KeyHint = der, hint(der)
		return v, nil
	}
	chain, err := s.Certifier.Certify(ctx, s.Key)
	if err != nil {
		return v, fmt.Errorf("certificate: %w", err)
	}
	if len(chain) == 0 {
		return v, errors.New("certificate: the authority returned none")
	}
	v.Certificate, b.Certificates = chain[0].Raw, [][]byte{chain[0].Raw}
	return v, nil
}

// hint names a public key: the base64 of the SHA-256 of its PKIX DER, as other clients write
// it. It authenticates nothing.
func hint(der []byte) string {
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// witness calls all timestamp authorities and logs concurrently, and puts their responses into
// b in the order of s. The first failure cancels the others.
func (s Signer) witness(ctx context.Context, b *bundle.Bundle, h rekor.HashedRekord) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.Timestamps = make([][]byte, len(s.Timestampers))
	b.Entries = make([]rekor.Entry, len(s.Logs))
	var asked []func() error
	for i, t := range s.Timestampers {
		asked = append(asked, func() (err error) {
			if b.Timestamps[i], err = t.Timestamp(ctx, h.Signature); err != nil {
				return fmt.Errorf("timestamp: %w", err)
			}
			return nil
		})
	}
	for i, l := range s.Logs {
		asked = append(asked, func() (err error) {
			if b.Entries[i], err = l.Add(ctx, h); err != nil {
				return fmt.Errorf("log entry: %w", err)
			}
			return nil
		})
	}
	return askAll(asked, cancel)
}

// askAll calls all functions concurrently. The first failure cancels the others, and is
// returned.
func askAll(asked []func() error, cancel context.CancelFunc) error {
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	for _, ask := range asked {
		wg.Go(func() {
			if err := ask(); err != nil {
				once.Do(func() {
					first = err
					cancel()
				})
			}
		})
	}
	wg.Wait()
	return first
}
