// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// TLS 1.2 code points of a digitally-signed struct (RFC 5246 §7.4.1.4.1).
const (
	hashSHA256     = 4
	signatureRSA   = 1
	signatureECDSA = 3
)

// A treeHeadKey is a CT log's key as it is used to sign tree heads.
type treeHeadKey struct {
	alg       sigalg.Algorithm
	signature byte   // TLS SignatureAlgorithm
	id        uint32 // note key ID
}

// newTreeHeadKey derives the key ID: "the first four bytes … of the SHA-256
// hash of … the key name, a newline character (0x0A), the signature type
// identifier byte 0x05, and the 32-byte RFC 6962 LogID" (static-ct-api,
// "Checkpoints").
func newTreeHeadKey(name string, key crypto.PublicKey) (treeHeadKey, error) {
	if err := checkName(name); err != nil {
		return treeHeadKey{}, err
	}
	var t treeHeadKey
	// RFC 6962 §2.1.4: "either elliptic curve signatures using the NIST P-256
	// curve … or RSA signatures … using a key of at least 2048 bits".
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return treeHeadKey{}, fmt.Errorf("tree head key: %s: %w", key.Params().Name, sigalg.ErrWeakKey)
		}
		t.signature = signatureECDSA
	case *rsa.PublicKey:
		t.signature = signatureRSA
	default:
		return treeHeadKey{}, fmt.Errorf("tree head key of type %T: %w", key, sigalg.ErrUnknown)
	}
	var err error
	if t.alg, err = sigalg.ForKey(key); err != nil {
		return treeHeadKey{}, fmt.Errorf("tree head key: %w", err)
	}
	logID, err := LegacyLogID(key)
	if err != nil {
		return treeHeadKey{}, err
	}
	t.id = binary.BigEndian.Uint32(keyHash(name, typeRFC6962, logID[:]))
	return t, nil
}

// NewTreeHeadSigner returns a signer for RFC6962NoteSignature lines
// (static-ct-api), with a CT log's P-256 or RSA key. The tree head's timestamp
// is the time that clock returns.
func NewTreeHeadSigner(name string, key crypto.Signer, clock func() time.Time) (note.Signer, error) {
	t, err := newTreeHeadKey(name, key.Public())
	if err != nil {
		return nil, err
	}
	sign := func(text []byte) ([]byte, error) {
		timestamp := uint64(clock().UnixMilli())
		head, err := treeHead(text, timestamp)
		if err != nil {
			return nil, err
		}
		sig, err := t.alg.Sign(rand.Reader, key, head)
		if err != nil {
			return nil, fmt.Errorf("signing tree head: %w", err)
		}
		var b cryptobyte.Builder
		b.AddUint64(timestamp)
		b.AddUint8(hashSHA256)
		b.AddUint8(t.signature)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(sig) })
		return b.Bytes()
	}
	return &signer{name: name, id: t.id, sign: sign}, nil
}

// NewTreeHeadVerifier returns a verifier for the lines of [NewTreeHeadSigner].
// The signature covers size, root and time; the origin is not authenticated.
func NewTreeHeadVerifier(name string, key crypto.PublicKey) (note.Verifier, error) {
	t, err := newTreeHeadKey(name, key)
	if err != nil {
		return nil, err
	}
	verify := func(text, sig []byte) error {
		var timestamp uint64
		var hash, algorithm uint8
		var signature cryptobyte.String
		s := cryptobyte.String(sig)
		if !s.ReadUint64(&timestamp) || !s.ReadUint8(&hash) || !s.ReadUint8(&algorithm) ||
			!s.ReadUint16LengthPrefixed(&signature) || !s.Empty() {
			return errors.New("malformed tree head signature")
		}
		if hash != hashSHA256 || algorithm != t.signature {
			return errors.New("tree head signature of another algorithm")
		}
		head, err := treeHead(text, timestamp)
		if err != nil {
			return err
		}
		return t.alg.Verify(key, head, signature)
	}
	return &verifier{name: name, id: t.id, verify: verify}, nil
}

// treeHead returns the struct that a TreeHeadSignature covers (RFC 6962 §3.5).
func treeHead(text []byte, timestamp uint64) ([]byte, error) {
	c, err := ParseText(string(text))
	if err != nil {
		return nil, err
	}
	// static-ct-api: "A checkpoint signed with this algorithm MUST NOT include
	// any extension lines."
	if len(c.Extensions) > 0 {
		return nil, errors.New("tree head with extension lines")
	}
	var b cryptobyte.Builder
	b.AddUint8(0) // Version v1
	b.AddUint8(1) // SignatureType tree_hash
	b.AddUint64(timestamp)
	b.AddUint64(c.Size)
	b.AddBytes(c.Root[:])
	return b.Bytes()
}
