// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// ErrPassphrase reports that a key is encrypted and the passphrase is wrong or
// missing. The caller may ask for it and try again.
var ErrPassphrase = errors.New("wrong or missing passphrase")

// MaxFile bounds a key file, in bytes.
const MaxFile = 64 << 10

// Generate generates a key. kind is "ecdsa-p256", "ecdsa-p384", "ecdsa-p521",
// "ed25519", "rsa-2048", "rsa-3072" or "rsa-4096".
func Generate(kind string) (crypto.Signer, error) {
	switch kind {
	case "ecdsa-p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa-p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ecdsa-p521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "rsa-2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "rsa-3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	case "rsa-4096":
		return rsa.GenerateKey(rand.Reader, 4096)
	default:
		return nil, fmt.Errorf("generating key: kind %.32q is unknown", kind)
	}
}

// Parse parses one private key in PEM. passphrase is ignored if the key is not
// encrypted. Errors match [ErrPassphrase], or [sigalg.ErrUnknown] or
// [sigalg.ErrWeakKey] for keys that Sigstore does not use.
func Parse(data, passphrase []byte) (crypto.Signer, error) {
	block, err := onlyBlock(data)
	if err != nil {
		return nil, fmt.Errorf("parsing private key: %w", err)
	}
	var key any
	switch block.Type {
	case typeEncrypted:
		key, err = decrypt(block.Bytes, passphrase)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "OPENSSH PRIVATE KEY":
		key, err = parseOpenSSH(data, passphrase)
	case typeCosign, typeCosignOld:
		key, err = decryptCosign(block.Bytes, passphrase)
	default:
		err = refuseBlock(block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("parsing private key: %w", err)
	}
	return checked(key)
}

// ParseEncrypted parses like [Parse] and refuses an unencrypted key. The keys
// of an instance must be encrypted.
func ParseEncrypted(data, passphrase []byte) (crypto.Signer, error) {
	block, err := onlyBlock(data)
	if err != nil {
		return nil, fmt.Errorf("parsing private key: %w", err)
	}
	if block.Type != typeEncrypted {
		return nil, fmt.Errorf("parsing private key: PEM of type %.64q is not encrypted", block.Type)
	}
	return Parse(data, passphrase)
}

// checked returns key as a signer if it can sign and is in the registry.
func checked(key any) (crypto.Signer, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("parsing private key: the key can't sign, like X25519: %s: %w", wanted, sigalg.ErrUnknown)
	}
	if _, err := sigalg.ForKey(signer.Public()); err != nil {
		return nil, fmt.Errorf("parsing private key: %s: %w", wanted, err)
	}
	return signer, nil
}

// wanted lists the keys of the algorithm registry in words.
const wanted = "want ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of 2048, 3072 or 4096 bits"

// refuseBlock returns an error that explains how to get from a PEM block of this type to a
// supported private key.
func refuseBlock(kind string) error {
	switch {
	case strings.Contains(kind, "PUBLIC KEY"), kind == "CERTIFICATE":
		return fmt.Errorf("PEM of type %.64q, which has only the public half", kind)
	case strings.Contains(kind, "PGP"):
		return errors.New("PGP keys are not supported: generate a key with 'openssl genpkey'")
	case kind == "DSA PRIVATE KEY":
		return errors.New("DSA keys are not supported: " + wanted)
	}
	return fmt.Errorf("PEM of type %.64q", kind)
}

// derBlock returns a key in DER as a PEM block of the matching type.
func derBlock(der []byte) (*pem.Block, error) {
	for kind, parse := range map[string]func([]byte) error{
		"PRIVATE KEY":     func(der []byte) error { _, err := x509.ParsePKCS8PrivateKey(der); return err },
		"EC PRIVATE KEY":  func(der []byte) error { _, err := x509.ParseECPrivateKey(der); return err },
		"RSA PRIVATE KEY": func(der []byte) error { _, err := x509.ParsePKCS1PrivateKey(der); return err },
		typeEncrypted:     checkCost,
	} {
		if parse(der) == nil {
			return &pem.Block{Type: kind, Bytes: der}, nil
		}
	}
	return nil, errors.New("neither PEM nor DER of a private key")
}

// onlyBlock returns the only PEM block, or one for a key in DER. EC PARAMETERS,
// which openssl ecparam writes before an EC key, is skipped, since the key
// names its curve itself.
func onlyBlock(data []byte) (*pem.Block, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("more than %d bytes", MaxFile)
	}
	block, rest := pem.Decode(data)
	if block != nil && block.Type == "EC PARAMETERS" {
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return derBlock(data)
	}
	if len(block.Headers) > 0 {
		return nil, errors.New("PEM has headers: rewrite the key as PKCS #8 with openssl pkcs8 -topk8")
	}
	if another, _ := pem.Decode(rest); another != nil {
		return nil, errors.New("more than one block of PEM")
	}
	return block, nil
}
