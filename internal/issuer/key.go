// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A signingKey is a key for tokens, wherever its private half is stored. It
// implements op.SigningKey and jose.OpaqueSigner.
type signingKey struct {
	signer    crypto.Signer
	id        string
	algorithm jose.SignatureAlgorithm
}

// newSigningKey returns a key named by its thumbprint (RFC 7638). Its type
// determines the algorithm.
func newSigningKey(signer crypto.Signer) (signingKey, error) {
	if signer == nil {
		return signingKey{}, errors.New("no key for tokens")
	}
	k := signingKey{signer: signer}
	switch public := signer.Public().(type) {
	case *rsa.PublicKey:
		k.algorithm = jose.RS256
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P256() {
			k.algorithm = jose.ES256
		}
	}
	if k.algorithm == "" {
		return signingKey{}, fmt.Errorf("key for tokens is %T, want RSA or ECDSA on P-256", signer.Public())
	}
	print, err := (&jose.JSONWebKey{Key: signer.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return signingKey{}, fmt.Errorf("key for tokens: %w", err)
	}
	k.id = base64.RawURLEncoding.EncodeToString(print)
	return k, nil
}

// ID returns the kid of tokens.
func (k signingKey) ID() string { return k.id }

// SignatureAlgorithm returns the alg of tokens.
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return k.algorithm }

// Key returns the key for the library to sign with.
func (k signingKey) Key() any { return k }

// Public returns the key in the form of the key set.
func (k signingKey) Public() *jose.JSONWebKey {
	return &jose.JSONWebKey{Key: k.signer.Public(), KeyID: k.id, Algorithm: string(k.algorithm), Use: "sig"}
}

// Algs lists the one algorithm.
func (k signingKey) Algs() []jose.SignatureAlgorithm { return []jose.SignatureAlgorithm{k.algorithm} }

// SignPayload signs as RFC 7518 §3.3 and §3.4 require: RSASSA-PKCS1-v1_5, or r
// and s of ECDSA in 32 bytes each, where crypto.Signer returns DER.
func (k signingKey) SignPayload(payload []byte, _ jose.SignatureAlgorithm) ([]byte, error) {
	digest := sha256.Sum256(payload)
	signature, err := k.signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("signing token: %w", err)
	}
	if k.algorithm == jose.RS256 {
		return signature, nil
	}
	var inner cryptobyte.String
	r, s := make([]byte, 32), make([]byte, 32)
	input := cryptobyte.String(signature)
	if !input.ReadASN1(&inner, asn1.SEQUENCE) || !input.Empty() || !readScalar(&inner, r) || !readScalar(&inner, s) || !inner.Empty() {
		return nil, errors.New("signing token: signature is not DER")
	}
	return append(r, s...), nil
}

// readScalar reads a positive INTEGER into out, padded to its length.
func readScalar(in *cryptobyte.String, out []byte) bool {
	var value []byte
	if !in.ReadASN1Integer(&value) || len(value) > len(out) {
		return false
	}
	copy(out[len(out)-len(value):], value)
	return true
}

// A verificationKey is an op.Key in the published set.
type verificationKey struct{ signingKey }

// Algorithm returns the alg of the key set.
func (k verificationKey) Algorithm() jose.SignatureAlgorithm { return k.algorithm }

// Use returns the use of the key set.
func (k verificationKey) Use() string { return "sig" }

// Key returns the public key.
func (k verificationKey) Key() any { return k.signer.Public() }

// A signingKeys holds the keys of tokens by algorithm.
type signingKeys map[jose.SignatureAlgorithm]signingKey

// newSigningKeys returns the keys for RS256 and ES256.
func newSigningKeys(rsa, ecdsa crypto.Signer) (signingKeys, error) {
	all := signingKeys{}
	for algorithm, signer := range map[jose.SignatureAlgorithm]crypto.Signer{jose.RS256: rsa, jose.ES256: ecdsa} {
		k, err := newSigningKey(signer)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", algorithm, err)
		}
		if k.algorithm != algorithm {
			return nil, fmt.Errorf("key for %s is one for %s", algorithm, k.algorithm)
		}
		all[algorithm] = k
	}
	return all, nil
}

// list returns the keys, that of the default algorithm first.
func (k signingKeys) list() []signingKey { return []signingKey{k[jose.RS256], k[jose.ES256]} }

// errForm reports that a form is of another issuer or browser, or too old. The response is a
// page that asks to begin again.
var errForm = errors.New("form is not of this browser and hour")

// A sealer makes hidden fields that carry state from page to page: AES-256-GCM
// with a key that exists as long as the process. A field is bound to its
// purpose and to the browser's cookie, so that a forged form of another site is
// refused.
type sealer struct {
	aead  cipher.AEAD
	clock func() time.Time
}

func newSealer(clock func() time.Time) *sealer {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES is a block cipher of 128 bits
	}
	return &sealer{aead, clock}
}

// sealed is the content of a field.
type sealed[T any] struct {
	Expires int64 `json:"expires"` // Unix time
	Value   T     `json:"value"`
}

// Purposes of fields.
const (
	forSignIn = "sign-in"         // holds an authRequest
	forCode   = "user code"       // holds nothing
	forDevice = "device answer"   // holds a user code
	forChange = "password change" // holds nothing
)

func seal[T any](s *sealer, purpose, browser string, value T) (string, error) {
	raw, err := json.Marshal(sealed[T]{s.clock().Add(formLife).Unix(), value})
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, raw, []byte(purpose+"\x00"+browser))), nil
}

// unseal opens a field that seal returned. Errors match errForm.
func unseal[T any](s *sealer, purpose, browser, field string) (T, error) {
	var v sealed[T]
	box, err := base64.RawURLEncoding.Strict().DecodeString(field)
	if err != nil {
		return v.Value, errForm
	}
	raw, err := s.aead.Open(nil, nil, box, []byte(purpose+"\x00"+browser))
	if err != nil || json.Unmarshal(raw, &v) != nil || v.Expires < s.clock().Unix() {
		var none T
		return none, errForm
	}
	return v.Value, nil
}
