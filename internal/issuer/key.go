package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// signingKey is the key of the tokens for the library, wherever the private half
// lies: an op.SigningKey and a jose.OpaqueSigner.
type signingKey struct {
	signer crypto.Signer
	id     string
}

// newSigningKey names the key by its thumbprint (RFC 7638).
func newSigningKey(signer crypto.Signer) (signingKey, error) {
	if signer == nil {
		return signingKey{}, errors.New("no key for tokens")
	}
	pub, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return signingKey{}, fmt.Errorf("key for tokens is %T, want ECDSA on P-256", signer.Public())
	}
	print, err := (&jose.JSONWebKey{Key: pub}).Thumbprint(crypto.SHA256)
	if err != nil {
		return signingKey{}, fmt.Errorf("key for tokens: %w", err)
	}
	return signingKey{signer, base64.RawURLEncoding.EncodeToString(print)}, nil
}

// ID is the kid of tokens.
func (k signingKey) ID() string { return k.id }

// SignatureAlgorithm is the alg of tokens.
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }

// Key gives the library the key to sign with.
func (k signingKey) Key() any { return k }

// Public is the key in the form of the key set.
func (k signingKey) Public() *jose.JSONWebKey {
	return &jose.JSONWebKey{Key: k.signer.Public(), KeyID: k.id, Algorithm: string(jose.ES256), Use: "sig"}
}

// Algs lists the one algorithm.
func (k signingKey) Algs() []jose.SignatureAlgorithm { return []jose.SignatureAlgorithm{jose.ES256} }

// SignPayload signs as RFC 7518 §3.4 says: the signature is r and s, 32 bytes
// each, where crypto.Signer gives DER.
func (k signingKey) SignPayload(payload []byte, _ jose.SignatureAlgorithm) ([]byte, error) {
	digest := sha256.Sum256(payload)
	der, err := k.signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("signing token: %w", err)
	}
	var inner cryptobyte.String
	r, s := make([]byte, 32), make([]byte, 32)
	input := cryptobyte.String(der)
	if !input.ReadASN1(&inner, asn1.SEQUENCE) || !input.Empty() || !readScalar(&inner, r) || !readScalar(&inner, s) || !inner.Empty() {
		return nil, errors.New("signing token: signature is not DER")
	}
	return append(r, s...), nil
}

// readScalar reads a positive INTEGER into as many bytes as out has.
func readScalar(in *cryptobyte.String, out []byte) bool {
	var value []byte
	if !in.ReadASN1Integer(&value) || len(value) > len(out) {
		return false
	}
	copy(out[len(out)-len(value):], value)
	return true
}

// verificationKey is the key in the published set: an op.Key.
type verificationKey struct{ signingKey }

// Algorithm is the alg of the key set.
func (k verificationKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }

// Use is the use of the key set.
func (k verificationKey) Use() string { return "sig" }

// Key is the public key.
func (k verificationKey) Key() any { return k.signer.Public() }
