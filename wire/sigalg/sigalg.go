// SPDX-License-Identifier: Apache-2.0

package sigalg

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // the registry names SHA-256 and SHA-384/512
	_ "crypto/sha512"
	"errors"
	"fmt"
	"io"
)

// Errors of this package. ErrUnknown: the name or the key's type is not in the registry.
// ErrWeakKey: the type is in the registry, the size is not. ErrSignature: the signature is not
// by the key over the message.
var (
	ErrUnknown    = errors.New("algorithm is not in the registry")
	ErrWeakKey    = errors.New("key size is not in the registry")
	ErrSignature  = errors.New("signature does not fit key and message")
	ErrVerifyOnly = errors.New("algorithm is for verifying old signatures only")
	ErrDigest     = errors.New("digest does not fit the algorithm")
)

// Names of the algorithms that hallmark's own keys use.
const (
	ECDSAP256SHA256 = "PKIX_ECDSA_P256_SHA_256"
	ECDSAP384SHA384 = "PKIX_ECDSA_P384_SHA_384"
	Ed25519         = "PKIX_ED25519"
	Ed25519ph       = "PKIX_ED25519_PH"
)

// A scheme is the encoding and computation of a signature.
type scheme int

const (
	schemeECDSA scheme = iota + 1 // ASN.1 SEQUENCE of r and s
	schemePKCS1v15
	schemePSS // salt as long as the hash, MGF1 with the same hash
	schemeEd25519
	schemeEd25519ph
)

// An Algorithm is one row of the registry. The zero value verifies nothing.
type Algorithm struct {
	Name       string      // PublicKeyDetails, for example PKIX_ECDSA_P256_SHA_256
	Hash       crypto.Hash // the hash of the message; 0 for pure Ed25519
	VerifyOnly bool        // deprecated: old signatures are verified, new ones are refused

	scheme scheme
	size   int // bits: of the modulus for RSA, of the field for ECDSA
}

var registry = []Algorithm{
	{ECDSAP256SHA256, crypto.SHA256, false, schemeECDSA, 256},
	{ECDSAP384SHA384, crypto.SHA384, false, schemeECDSA, 384},
	{"PKIX_ECDSA_P521_SHA_512", crypto.SHA512, false, schemeECDSA, 521},
	{Ed25519, 0, false, schemeEd25519, 256},
	{Ed25519ph, crypto.SHA512, false, schemeEd25519ph, 256},
	{"PKIX_RSA_PKCS1V15_2048_SHA256", crypto.SHA256, false, schemePKCS1v15, 2048},
	{"PKIX_RSA_PKCS1V15_3072_SHA256", crypto.SHA256, false, schemePKCS1v15, 3072},
	{"PKIX_RSA_PKCS1V15_4096_SHA256", crypto.SHA256, false, schemePKCS1v15, 4096},
	{"PKIX_RSA_PSS_2048_SHA256", crypto.SHA256, false, schemePSS, 2048},
	{"PKIX_RSA_PSS_3072_SHA256", crypto.SHA256, false, schemePSS, 3072},
	{"PKIX_RSA_PSS_4096_SHA256", crypto.SHA256, false, schemePSS, 4096},
	{"PKIX_ECDSA_P384_SHA_256", crypto.SHA256, true, schemeECDSA, 384},
	{"PKIX_ECDSA_P521_SHA_256", crypto.SHA256, true, schemeECDSA, 521},
}

// ByName returns the algorithm with this name in the registry, or [ErrUnknown].
func ByName(name string) (Algorithm, error) {
	for _, a := range registry {
		if a.Name == name {
			return a, nil
		}
	}
	return Algorithm{}, fmt.Errorf("algorithm %.64q: %w", name, ErrUnknown)
}

// ForKey returns the default algorithm of a key of this type and size: the first
// row of the registry that fits. RSA is
// PKCS #1 v1.5, Ed25519 is pure. Errors: ErrUnknown, ErrWeakKey.
func ForKey(pub crypto.PublicKey) (Algorithm, error) {
	weak := 0
	for _, a := range registry {
		bits := a.bits(pub)
		if bits == a.size {
			return a, nil
		}
		weak = max(weak, bits)
	}
	if weak == 0 {
		return Algorithm{}, fmt.Errorf("key of type %T: %w", pub, ErrUnknown)
	}
	return Algorithm{}, fmt.Errorf("key of %d bits: %w", weak, ErrWeakKey)
}

// AllForKey returns every algorithm that a key of this type and size may sign
// with: ForKey's first, and for RSA and Ed25519 another one. Errors: as ForKey.
func AllForKey(pub crypto.PublicKey) ([]Algorithm, error) {
	first, err := ForKey(pub)
	if err != nil {
		return nil, err
	}
	all := []Algorithm{first}
	for _, a := range registry {
		if a.Name != first.Name && !a.VerifyOnly && a.bits(pub) == a.size {
			all = append(all, a)
		}
	}
	return all, nil
}

// CheckKey checks that pub is a key of this algorithm. Errors: [ErrUnknown] for
// another type, [ErrWeakKey] for another size.
func (a Algorithm) CheckKey(pub crypto.PublicKey) error {
	switch bits := a.bits(pub); bits {
	case a.size:
		return nil
	case 0:
		return fmt.Errorf("key of type %T for %s: %w", pub, a.Name, ErrUnknown)
	default:
		return fmt.Errorf("key of %d bits for %s: %w", bits, a.Name, ErrWeakKey)
	}
}

// bits returns the size of a key of this algorithm's type, or 0 for other keys.
func (a Algorithm) bits(pub crypto.PublicKey) int {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if a.scheme == schemeECDSA {
			return curveBits(k.Curve)
		}
	case *rsa.PublicKey:
		if a.scheme == schemePKCS1v15 || a.scheme == schemePSS {
			return k.N.BitLen()
		}
	case ed25519.PublicKey:
		if (a.scheme == schemeEd25519 || a.scheme == schemeEd25519ph) && len(k) == ed25519.PublicKeySize {
			return 256
		}
	}
	return 0
}

// curveBits returns the size of a curve of the registry, or 1 (which fits no row)
// for every other curve.
func curveBits(c elliptic.Curve) int {
	if c == elliptic.P256() || c == elliptic.P384() || c == elliptic.P521() {
		return c.Params().BitSize
	}
	return 1
}

// Digest hashes message as the algorithm does before it signs. Pure Ed25519
// signs the message itself: ErrDigest.
func (a Algorithm) Digest(message []byte) ([]byte, error) {
	if a.Hash == 0 {
		return nil, fmt.Errorf("hashing for %s: %w", a.Name, ErrDigest)
	}
	h := a.Hash.New()
	h.Write(message)
	return h.Sum(nil), nil
}

// Verify checks sig over message. Errors: ErrUnknown and ErrWeakKey for a key
// of another algorithm, ErrSignature.
func (a Algorithm) Verify(pub crypto.PublicKey, message, sig []byte) error {
	if a.scheme != schemeEd25519 {
		digest, err := a.Digest(message)
		if err != nil {
			return err
		}
		return a.VerifyDigest(pub, digest, sig)
	}
	if err := a.CheckKey(pub); err != nil {
		return err
	}
	if !ed25519.Verify(pub.(ed25519.PublicKey), message, sig) {
		return ErrSignature
	}
	return nil
}

// VerifyDigest checks sig over a message, given its digest. Errors: as Verify, and ErrDigest
// for a digest of another length or an algorithm that has none (pure Ed25519).
func (a Algorithm) VerifyDigest(pub crypto.PublicKey, digest, sig []byte) error {
	if err := a.CheckKey(pub); err != nil {
		return err
	}
	if err := a.checkDigest(digest); err != nil {
		return err
	}
	if !a.verifyDigest(pub, digest, sig) {
		return ErrSignature
	}
	return nil
}

func (a Algorithm) verifyDigest(pub crypto.PublicKey, digest, sig []byte) bool {
	switch a.scheme {
	case schemeECDSA:
		return ecdsa.VerifyASN1(pub.(*ecdsa.PublicKey), digest, sig)
	case schemePKCS1v15:
		return rsa.VerifyPKCS1v15(pub.(*rsa.PublicKey), a.Hash, digest, sig) == nil
	case schemePSS:
		return rsa.VerifyPSS(pub.(*rsa.PublicKey), a.Hash, digest, sig, pssOptions(a.Hash)) == nil
	case schemeEd25519ph:
		return ed25519.VerifyWithOptions(pub.(ed25519.PublicKey), digest, sig, &ed25519.Options{Hash: a.Hash}) == nil
	}
	return false
}

// Sign signs message. Errors: ErrVerifyOnly, ErrUnknown, ErrWeakKey, or those of the key.
func (a Algorithm) Sign(rand io.Reader, key crypto.Signer, message []byte) ([]byte, error) {
	if a.scheme != schemeEd25519 {
		digest, err := a.Digest(message)
		if err != nil {
			return nil, err
		}
		return a.SignDigest(rand, key, digest)
	}
	if err := a.CheckKey(key.Public()); err != nil {
		return nil, err
	}
	return key.Sign(rand, message, crypto.Hash(0))
}

// SignDigest signs a message, given its digest. Errors: as Sign, and ErrDigest as
// VerifyDigest.
func (a Algorithm) SignDigest(rand io.Reader, key crypto.Signer, digest []byte) ([]byte, error) {
	if a.VerifyOnly {
		return nil, fmt.Errorf("signing with %s: %w", a.Name, ErrVerifyOnly)
	}
	if err := a.CheckKey(key.Public()); err != nil {
		return nil, err
	}
	if err := a.checkDigest(digest); err != nil {
		return nil, err
	}
	var opts crypto.SignerOpts = a.Hash
	switch a.scheme {
	case schemePSS:
		opts = pssOptions(a.Hash)
	case schemeEd25519ph:
		opts = &ed25519.Options{Hash: a.Hash}
	}
	return key.Sign(rand, digest, opts)
}

func (a Algorithm) checkDigest(digest []byte) error {
	if a.Hash == 0 || len(digest) != a.Hash.Size() {
		return fmt.Errorf("digest of %d bytes for %s: %w", len(digest), a.Name, ErrDigest)
	}
	return nil
}

func pssOptions(h crypto.Hash) *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
}
