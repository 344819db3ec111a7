// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/youmark/pkcs8"
)

const typeEncrypted = "ENCRYPTED PRIVATE KEY"

// Cost of a passphrase for new keys: scrypt with 16 MiB, five times, about 0.2
// s. OpenSSL refuses keys that need 32 MiB or more.
const (
	scryptN     = 1 << 14
	scryptR     = 8
	scryptP     = 5
	scryptSalt  = 16
	scryptBytes = 128 * scryptN * scryptR
)

// Limits of the cost that a file may specify.
const (
	maxScryptBytes = 16 * scryptBytes // 256 MiB
	maxScryptWork  = 32 * scryptBytes * scryptP
	maxIterations  = 10_000_000 // PBKDF2
	maxSalt        = 1 << 10
)

// PassphraseRule is the rule for passphrases of new keys, in words.
const PassphraseRule = "8 characters or more"

// minPassphrase is the length of the shortest passphrase for new keys, in
// bytes.
const minPassphrase = 8

// MarshalEncrypted returns key as PEM, encrypted with a passphrase of at least
// 8 bytes.
func MarshalEncrypted(key crypto.Signer, passphrase []byte) ([]byte, error) {
	return marshal(key, passphrase, pkcs8.ScryptOpts{
		SaltSize: scryptSalt, CostParameter: scryptN, BlockSize: scryptR, ParallelizationParameter: scryptP,
	})
}

// MarshalEncryptedUnsafe writes key as [MarshalEncrypted] does, but anyone can guess the
// passphrase at a million tries a second. It exists for tests, which make many keys.
func MarshalEncryptedUnsafe(key crypto.Signer, passphrase []byte) ([]byte, error) {
	return marshal(key, passphrase, pkcs8.ScryptOpts{
		SaltSize: scryptSalt, CostParameter: 2, BlockSize: 1, ParallelizationParameter: 1,
	})
}

func marshal(key crypto.Signer, passphrase []byte, kdf pkcs8.ScryptOpts) ([]byte, error) {
	if len(passphrase) < minPassphrase {
		return nil, errors.New("marshalling private key: it needs a passphrase of " + PassphraseRule)
	}
	if _, err := checked(key); err != nil {
		return nil, err
	}
	der, err := pkcs8.MarshalPrivateKey(key, passphrase, &pkcs8.Opts{Cipher: pkcs8.AES256CBC, KDFOpts: kdf})
	if err != nil {
		return nil, fmt.Errorf("marshalling private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: typeEncrypted, Bytes: der}), nil
}

// decrypt decrypts an EncryptedPrivateKeyInfo (RFC 5958 §3). With CBC, a wrong
// passphrase can't be told from a damaged file: either way the result is not a
// key.
func decrypt(der, passphrase []byte) (any, error) {
	if err := checkCost(der); err != nil {
		return nil, err
	}
	if len(passphrase) == 0 {
		return nil, ErrPassphrase
	}
	key, err := pkcs8.ParsePKCS8PrivateKey(der, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	return key, nil
}

// An encryptedKey is an EncryptedPrivateKeyInfo with PBES2-params (RFC 8018
// §A.4).
type encryptedKey struct {
	Algorithm struct {
		OID    asn1.ObjectIdentifier
		Params struct {
			KDF    pkix.AlgorithmIdentifier
			Cipher pkix.AlgorithmIdentifier
		}
	}
	Data []byte
}

// scryptParams holds the parameters of RFC 7914 §7.
type scryptParams struct {
	Salt      []byte
	N, R, P   int64
	KeyLength int64 `asn1:"optional"`
}

// pbkdf2Params holds the parameters of RFC 8018 §A.2, with the salt in place.
type pbkdf2Params struct {
	Salt       []byte
	Iterations int64
	KeyLength  int64                    `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

// checkCost refuses a key that would take minutes or gigabytes to decrypt, or
// whose structure the library does not support.
func checkCost(der []byte) error {
	var key encryptedKey
	if rest, err := asn1.Unmarshal(der, &key); err != nil || len(rest) > 0 {
		return errors.New("not PKCS #8 under PBES2")
	}
	if err := checkCipher(key); err != nil {
		return err
	}
	kdf := key.Algorithm.Params.KDF
	switch {
	case kdf.Algorithm.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}):
		return checkScrypt(kdf.Parameters.FullBytes)
	case kdf.Algorithm.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}):
		return checkPBKDF2(kdf.Parameters.FullBytes)
	default:
		return fmt.Errorf("key derivation %v is not supported", kdf.Algorithm)
	}
}

// checkCipher checks that the cipher is AES in CBC mode (RFC 8018 §B.2.5) with
// whole blocks.
func checkCipher(key encryptedKey) error {
	const block = 16
	cipher := key.Algorithm.Params.Cipher
	var iv []byte
	if rest, err := asn1.Unmarshal(cipher.Parameters.FullBytes, &iv); err != nil || len(rest) > 0 || len(iv) != block {
		return errors.New("malformed initialization vector")
	}
	if len(key.Data) == 0 || len(key.Data)%block != 0 {
		return errors.New("encrypted key is not of whole blocks")
	}
	for _, arc := range []int{2, 22, 42} { // AES-128, -192, -256
		if cipher.Algorithm.Equal(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, arc}) {
			return nil
		}
	}
	return fmt.Errorf("cipher %v is not supported", cipher.Algorithm)
}

func checkScrypt(der []byte) error {
	var p scryptParams
	if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) > 0 {
		return errors.New("malformed scrypt parameters")
	}
	if p.KeyLength > 64 {
		return errors.New("scrypt parameters are out of bounds")
	}
	return checkScryptCost(p.N, p.R, p.P, len(p.Salt))
}

// checkScryptCost bounds the cost that a file may specify for scrypt.
func checkScryptCost(n, r, p int64, salt int) error {
	// Each value is checked first, so that the products can't overflow.
	if n < 2 || n > 1<<24 || r < 1 || r > 1<<10 || p < 1 || p > 1<<10 || salt > maxSalt ||
		128*n*r > maxScryptBytes || 128*n*r*p > maxScryptWork {
		return errors.New("scrypt parameters are out of bounds")
	}
	return nil
}

func checkPBKDF2(der []byte) error {
	var p pbkdf2Params
	if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) > 0 {
		return errors.New("malformed PBKDF2 parameters")
	}
	if p.Iterations < 1 || p.Iterations > maxIterations || len(p.Salt) > maxSalt || p.KeyLength < 0 || p.KeyLength > 64 {
		return errors.New("PBKDF2 parameters are out of bounds")
	}
	return nil
}
