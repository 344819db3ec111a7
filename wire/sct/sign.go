// SPDX-License-Identifier: Apache-2.0

package sct

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// TLS code points of a digitally-signed struct (RFC 5246 §7.4.1.4.1).
const (
	hashSHA256     = 4
	signatureRSA   = 1
	signatureECDSA = 3
)

// A logKey is a CT log's public key with the values that RFC 6962 derives from
// it.
type logKey struct {
	pub       crypto.PublicKey
	id        [32]byte
	alg       sigalg.Algorithm
	signature byte // TLS SignatureAlgorithm
}

// newLogKey accepts "either elliptic curve signatures using the NIST P-256
// curve … or RSA signatures … using a key of at least 2048 bits" (RFC 6962
// §2.1.4).
func newLogKey(pub crypto.PublicKey) (logKey, error) {
	k := logKey{pub: pub}
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		if pub.Curve != elliptic.P256() {
			return logKey{}, fmt.Errorf("CT log key: %s: %w", pub.Params().Name, sigalg.ErrWeakKey)
		}
		k.signature = signatureECDSA
	case *rsa.PublicKey:
		k.signature = signatureRSA
	default:
		return logKey{}, fmt.Errorf("CT log key of type %T: %w", pub, sigalg.ErrUnknown)
	}
	var err error
	if k.alg, err = sigalg.ForKey(pub); err != nil {
		return logKey{}, fmt.Errorf("CT log key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return logKey{}, fmt.Errorf("CT log key: %w", err)
	}
	k.id = sha256.Sum256(der)
	return k, nil
}

// Sign returns the timestamp of a precertificate entry, as a log issues it.
// timestamp is in milliseconds since 1970.
func Sign(key crypto.Signer, entry Precert, timestamp uint64, extensions []byte) (SCT, error) {
	k, err := newLogKey(key.Public())
	if err != nil {
		return SCT{}, err
	}
	s := SCT{
		LogID: k.id, Timestamp: timestamp, Extensions: extensions,
		HashAlgorithm: hashSHA256, SignatureAlgorithm: k.signature,
	}
	signed, err := s.signedEntry(entry)
	if err != nil {
		return SCT{}, err
	}
	if s.Signature, err = k.alg.Sign(rand.Reader, key, signed); err != nil {
		return SCT{}, fmt.Errorf("signing SCT: %w", err)
	}
	return s, nil
}

// Verify verifies that the log with this key signed the timestamp for cert, a
// final certificate issued by issuer. The caller must check that cert contains
// the timestamp, and that its time is acceptable.
func (s SCT) Verify(cert, issuer *x509.Certificate, logKey crypto.PublicKey) error {
	entry, err := NewPrecert(cert, issuer)
	if err != nil {
		return err
	}
	return s.VerifyEntry(entry, logKey)
}

// VerifyEntry verifies as Verify does, for an entry that the caller has already.
func (s SCT) VerifyEntry(entry Precert, logKey crypto.PublicKey) error {
	k, err := newLogKey(logKey)
	if err != nil {
		return err
	}
	if s.LogID != k.id {
		return errors.New("verifying SCT: log ID is of another key")
	}
	if s.HashAlgorithm != hashSHA256 || s.SignatureAlgorithm != k.signature {
		return fmt.Errorf("verifying SCT: algorithms %d and %d do not match the key", s.HashAlgorithm, s.SignatureAlgorithm)
	}
	signed, err := s.signedEntry(entry)
	if err != nil {
		return err
	}
	if err := k.alg.Verify(k.pub, signed, s.Signature); err != nil {
		return fmt.Errorf("verifying SCT: %w", err)
	}
	return nil
}

// signedEntry returns the struct that the signature covers (RFC 6962 §3.2):
//
//	digitally-signed struct {
//	    Version sct_version;                          0: v1
//	    SignatureType signature_type;                 0: certificate_timestamp
//	    uint64 timestamp;
//	    LogEntryType entry_type;                      1: precert_entry
//	    PreCert signed_entry;
//	    CtExtensions extensions;
//	};
func (s SCT) signedEntry(entry Precert) ([]byte, error) {
	return timestamped(s.Timestamp, entry, s.Extensions)
}

// timestamped returns the bytes of both the signed entry (§3.2) and the
// MerkleTreeLeaf (§3.4). The two structs begin with two zero bytes and have the
// same fields.
func timestamped(timestamp uint64, entry Precert, extensions []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(0)
	b.AddUint8(0)
	b.AddUint64(timestamp)
	b.AddUint16(1)
	b.AddBytes(entry.IssuerKeyHash[:])
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(entry.TBS) })
	addUint16Bytes(&b, extensions)
	raw, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("marshalling precertificate entry: %w", err)
	}
	return raw, nil
}
