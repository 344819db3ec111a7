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

// What a passphrase costs here: scrypt with 16 MiB, five times over, about 0.2 s.
// OpenSSL refuses to read keys that want 32 MiB and more.
const (
	scryptN     = 1 << 14
	scryptR     = 8
	scryptP     = 5
	scryptSalt  = 16
	scryptBytes = 128 * scryptN * scryptR
)

// What a passphrase may cost when a file asks for it.
const (
	maxScryptBytes = 16 * scryptBytes // 256 MiB
	maxScryptWork  = 32 * scryptBytes * scryptP
	maxIterations  = 10_000_000 // PBKDF2
	maxSalt        = 1 << 10
)

// PassphraseRule says under which passphrases keys are written.
const PassphraseRule = "8 characters or more"

// minPassphrase is the shortest passphrase that keys are written under, in bytes.
// What makes a passphrase good is not its length alone; a shorter one is none.
const minPassphrase = 8

// MarshalEncrypted writes key as PEM under a passphrase, of 8 bytes or more.
func MarshalEncrypted(key crypto.Signer, passphrase []byte) ([]byte, error) {
	if len(passphrase) < minPassphrase {
		return nil, errors.New("marshalling private key: it needs a passphrase of " + PassphraseRule)
	}
	if _, err := checked(key); err != nil {
		return nil, err
	}
	der, err := pkcs8.MarshalPrivateKey(key, passphrase, &pkcs8.Opts{
		Cipher: pkcs8.AES256CBC,
		KDFOpts: pkcs8.ScryptOpts{
			SaltSize: scryptSalt, CostParameter: scryptN, BlockSize: scryptR, ParallelizationParameter: scryptP,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("marshalling private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: typeEncrypted, Bytes: der}), nil
}

// decrypt reads EncryptedPrivateKeyInfo (RFC 5958 §3). CBC does not tell a wrong
// passphrase from a damaged file: what is inside then is no key.
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

// encryptedKey is EncryptedPrivateKeyInfo with PBES2-params (RFC 8018 §A.4).
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

// scryptParams: RFC 7914 §7.
type scryptParams struct {
	Salt      []byte
	N, R, P   int64
	KeyLength int64 `asn1:"optional"`
}

// pbkdf2Params: RFC 8018 §A.2, with the salt given and not named.
type pbkdf2Params struct {
	Salt       []byte
	Iterations int64
	KeyLength  int64                    `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

// checkCost refuses a key that would take minutes or gigabytes to try, or is not
// of the shape that the library below expects.
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

// checkCipher: AES in CBC mode (RFC 8018 §B.2.5) with whole blocks.
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

// checkScryptCost bounds what a file can have scrypt use up.
func checkScryptCost(n, r, p int64, salt int) error {
	// Each is checked first, so that the products can't overflow.
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
