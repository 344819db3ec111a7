// SPDX-License-Identifier: Apache-2.0

package rekor

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// Errors of requests and of HashedRekord.Verify. A log answers all of them with
// 400 and a fixed text each; a client corrects its request and does not retry.
var (
	ErrMalformed = errors.New("request is malformed")
	ErrAlgorithm = errors.New("keyDetails names no algorithm that a hash can be verified with")
	ErrVerifier  = errors.New("verifier is not a key or certificate of the kind that keyDetails names")
	ErrDigest    = errors.New("digest is not as long as the hash of keyDetails")
	ErrSignature = errors.New("signature does not verify")
	ErrTooLarge  = errors.New("entry is larger than 64 KiB")
)

// maxMaterial bounds signature and verifier together, in bytes: in base64 they must fit an
// entry. Longer ones are refused before they are parsed, as a certificate of megabytes costs
// many times its size.
const maxMaterial = tile.MaxEntry / 4 * 3

// Kind and version of the entries that are written.
const (
	KindHashedRekord    = "hashedrekord"
	VersionHashedRekord = "0.0.2"
)

// A Verifier is the key of a signature: exactly one of Certificate and PublicKey is set.
type Verifier struct {
	Certificate []byte // X.509, DER
	PublicKey   []byte // PKIX SubjectPublicKeyInfo, DER
	KeyDetails  string // algorithm, for example PKIX_ECDSA_P256_SHA_256
}

// Key parses the public key, from the certificate if there is one.
func (v Verifier) Key() (crypto.PublicKey, error) {
	switch {
	case v.Certificate != nil && v.PublicKey != nil, v.Certificate == nil && v.PublicKey == nil:
		return nil, fmt.Errorf("want a certificate or a public key: %w", ErrVerifier)
	case v.Certificate != nil:
		cert, err := x509.ParseCertificate(v.Certificate)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrVerifier, err)
		}
		return cert.PublicKey, nil
	default:
		key, err := x509.ParsePKIXPublicKey(v.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrVerifier, err)
		}
		return key, nil
	}
}

// A HashedRekord is a signature over an artifact of which the log sees only the digest.
type HashedRekord struct {
	Digest    []byte // of the artifact, or of an envelope's PAE
	Signature []byte
	Verifier  Verifier
}

// Verify checks the entry as a log does before accepting it: keyDetails is in the registry and
// has a hash, the key is of that type and size, the digest is of that length, and the
// signature verifies. Errors: ErrTooLarge, ErrAlgorithm, ErrVerifier, ErrDigest, ErrSignature.
//
// Verify does not check whose key it is: a log records signatures, verifiers judge them.
func (h HashedRekord) Verify() error {
	if len(h.Signature)+len(h.Verifier.Certificate)+len(h.Verifier.PublicKey) > maxMaterial {
		return fmt.Errorf("signature and verifier: %w", ErrTooLarge)
	}
	alg, err := hashedAlgorithm(h.Verifier.KeyDetails)
	if err != nil {
		return err
	}
	if len(h.Digest) != alg.Hash.Size() {
		return fmt.Errorf("%d bytes, want %d: %w", len(h.Digest), alg.Hash.Size(), ErrDigest)
	}
	key, err := h.Verifier.Key()
	if err != nil {
		return err
	}
	if err := alg.CheckKey(key); err != nil {
		return fmt.Errorf("%w: %w", ErrVerifier, err)
	}
	if err := alg.VerifyDigest(key, h.Digest, h.Signature); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

// hashedAlgorithm returns the algorithm of keyDetails. Pure Ed25519 signs the
// message itself and can't be in an entry that holds a digest.
func hashedAlgorithm(keyDetails string) (sigalg.Algorithm, error) {
	alg, err := sigalg.ByName(keyDetails)
	if err != nil {
		return sigalg.Algorithm{}, fmt.Errorf("%.64q: %w: %w", keyDetails, ErrAlgorithm, err)
	}
	if alg.Hash == 0 {
		return sigalg.Algorithm{}, fmt.Errorf("%s has no hash: %w", keyDetails, ErrAlgorithm)
	}
	return alg, nil
}

type (
	jsonSpec struct {
		HashedRekordV002 jsonHashedRekord `json:"hashedRekordV002"`
	}
	jsonHashedRekord struct {
		Data      jsonDigest    `json:"data"`
		Signature jsonSignature `json:"signature"`
	}
	jsonDigest struct {
		Algorithm string `json:"algorithm"`
		Digest    []byte `json:"digest"`
	}
	jsonSignature struct {
		Content  []byte       `json:"content"`
		Verifier jsonVerifier `json:"verifier"`
	}
	jsonVerifier struct {
		KeyDetails      string   `json:"keyDetails"`
		PublicKey       *jsonRaw `json:"publicKey,omitzero"`
		X509Certificate *jsonRaw `json:"x509Certificate,omitzero"`
	}
	jsonRaw struct {
		RawBytes []byte `json:"rawBytes"`
	}
)

// Body returns the canonical JSON (RFC 8785) that is the leaf of the tree:
//
//	{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{
//	  "data":{"algorithm":"SHA2_256","digest":"…"},
//	  "signature":{"content":"…","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256",
//	    "x509Certificate":{"rawBytes":"…"}}}}}}
//
// without the line breaks. Errors: ErrAlgorithm.
func (h HashedRekord) Body() ([]byte, error) {
	alg, err := hashedAlgorithm(h.Verifier.KeyDetails)
	if err != nil {
		return nil, err
	}
	name, err := hashName(alg.Hash)
	if err != nil {
		return nil, err
	}
	w := writer{b: make([]byte, 0, 2*(len(h.Signature)+len(h.Verifier.Certificate)+len(h.Verifier.PublicKey))+512)}
	w.text(`{"apiVersion":`, VersionHashedRekord)
	w.text(`,"kind":`, KindHashedRekord)
	w.text(`,"spec":{"hashedRekordV002":{"data":{"algorithm":`, name)
	w.bytes(`,"digest":`, h.Digest)
	w.bytes(`},"signature":{"content":`, h.Signature)
	w.text(`,"verifier":{"keyDetails":`, h.Verifier.KeyDetails)
	if h.Verifier.PublicKey != nil {
		w.bytes(`,"publicKey":{"rawBytes":`, h.Verifier.PublicKey)
		w.raw(`}`)
	}
	if h.Verifier.Certificate != nil {
		w.bytes(`,"x509Certificate":{"rawBytes":`, h.Verifier.Certificate)
		w.raw(`}`)
	}
	w.raw(`}}}}}`)
	return w.b, w.err
}

func (v Verifier) json() jsonVerifier {
	j := jsonVerifier{KeyDetails: v.KeyDetails}
	if v.Certificate != nil {
		j.X509Certificate = &jsonRaw{v.Certificate}
	}
	if v.PublicKey != nil {
		j.PublicKey = &jsonRaw{v.PublicKey}
	}
	return j
}

// verifier inverts Verifier.json: exactly one of the keys must be present and not
// empty.
func (j jsonVerifier) verifier() (Verifier, error) {
	v := Verifier{KeyDetails: j.KeyDetails}
	switch {
	case j.X509Certificate != nil && j.PublicKey == nil:
		v.Certificate = j.X509Certificate.RawBytes
	case j.PublicKey != nil && j.X509Certificate == nil:
		v.PublicKey = j.PublicKey.RawBytes
	default:
		return Verifier{}, errors.New("verifier: want x509Certificate or publicKey")
	}
	if len(v.Certificate)+len(v.PublicKey) == 0 {
		return Verifier{}, errors.New("verifier: rawBytes is missing")
	}
	return v, nil
}

// hashName returns the name of protobuf-specs' HashAlgorithm.
func hashName(hash crypto.Hash) (string, error) {
	switch hash {
	case crypto.SHA256:
		return "SHA2_256", nil
	case crypto.SHA384:
		return "SHA2_384", nil
	case crypto.SHA512:
		return "SHA2_512", nil
	default:
		return "", fmt.Errorf("%v: %w", hash, ErrAlgorithm)
	}
}
