// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// Signature type identifiers (signed-note, "Signature types").
const (
	typeEd25519   = 0x01
	typeRFC6962   = 0x05
	typeExtension = 0xff // followed by the algorithm's name
	nameRSA       = "PKIX-RSA-PKCS#1v1.5"
)

// LogID returns the full SHA-256 whose first four bytes are the note key ID of
// a log's key (Rekor v2 specification, "Log ID"):
//
//	Ed25519  SHA-256(name ‖ 0x0A ‖ 0x01 ‖ 32-byte key)
//	ECDSA    SHA-256(PKIX DER), without the name
//	RSA      SHA-256(name ‖ 0x0A ‖ 0xFF ‖ "PKIX-RSA-PKCS#1v1.5" ‖ PKIX DER)
func LogID(name string, key crypto.PublicKey) ([]byte, error) {
	switch key := key.(type) {
	case ed25519.PublicKey:
		return keyHash(name, typeEd25519, key), nil
	case *ecdsa.PublicKey:
		id, err := LegacyLogID(key)
		return id[:], err
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return nil, fmt.Errorf("marshalling log key: %w", err)
		}
		return keyHash(name, typeExtension, append([]byte(nameRSA), der...)), nil
	default:
		return nil, fmt.Errorf("log key of type %T: %w", key, sigalg.ErrUnknown)
	}
}

// LegacyLogID returns the log ID of Rekor v1 and of CT logs: the SHA-256 of the
// key's PKIX DER (RFC 6962 §3.2).
func LegacyLogID(key crypto.PublicKey) ([32]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return [32]byte{}, fmt.Errorf("marshalling log key: %w", err)
	}
	return sha256.Sum256(der), nil
}

func keyHash(name string, kind byte, key []byte) []byte {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte{'\n', kind})
	h.Write(key)
	return h.Sum(nil)
}

// A verifier is a note.Verifier for one key.
type verifier struct {
	name   string
	id     uint32
	verify func(text, sig []byte) error
}

func (v *verifier) Name() string                 { return v.name }
func (v *verifier) KeyHash() uint32              { return v.id }
func (v *verifier) Verify(text, sig []byte) bool { return v.verify(text, sig) == nil }

// A signer is a note.Signer for one key.
type signer struct {
	name string
	id   uint32
	sign func(text []byte) ([]byte, error)
}

func (s *signer) Name() string                     { return s.name }
func (s *signer) KeyHash() uint32                  { return s.id }
func (s *signer) Sign(text []byte) ([]byte, error) { return s.sign(text) }

// NewVerifier verifies the signature lines that carry this name and the key ID
// of key (see LogID). The key is ECDSA, Ed25519 or RSA (PKCS #1 v1.5), of a
// size in the registry; its size decides the hash.
func NewVerifier(name string, key crypto.PublicKey) (note.Verifier, error) {
	alg, id, err := noteKey(name, key)
	if err != nil {
		return nil, err
	}
	verify := func(text, sig []byte) error { return alg.Verify(key, text, sig) }
	return &verifier{name: name, id: id, verify: verify}, nil
}

// NewSigner returns a signer for the lines that [NewVerifier] verifies.
func NewSigner(name string, key crypto.Signer) (note.Signer, error) {
	alg, id, err := noteKey(name, key.Public())
	if err != nil {
		return nil, err
	}
	sign := func(text []byte) ([]byte, error) { return alg.Sign(rand.Reader, key, text) }
	return &signer{name: name, id: id, sign: sign}, nil
}

func noteKey(name string, key crypto.PublicKey) (sigalg.Algorithm, uint32, error) {
	if err := checkName(name); err != nil {
		return sigalg.Algorithm{}, 0, err
	}
	alg, err := sigalg.ForKey(key)
	if err != nil {
		return sigalg.Algorithm{}, 0, fmt.Errorf("note key %s: %w", name, err)
	}
	id, err := LogID(name, key)
	if err != nil {
		return sigalg.Algorithm{}, 0, fmt.Errorf("note key %s: %w", name, err)
	}
	return alg, binary.BigEndian.Uint32(id), nil
}

// checkName checks that "key name … MUST be non-empty and it MUST NOT contain
// any Unicode spaces or plus (U+002B)" (signed-note, "Signatures").
func checkName(name string) error {
	if name == "" || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsSpace) || strings.Contains(name, "+") {
		return fmt.Errorf("%q is not a valid note key name", name)
	}
	return nil
}
