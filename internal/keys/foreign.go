// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"golang.org/x/crypto/nacl/secretbox"
	"golang.org/x/crypto/scrypt"
	"golang.org/x/crypto/ssh"
)

// PEM types that cosign writes, since version 2 and before.
const (
	typeCosign    = "ENCRYPTED SIGSTORE PRIVATE KEY"
	typeCosignOld = "ENCRYPTED COSIGN PRIVATE KEY"
)

// parseOpenSSH parses a key in OpenSSH's format (PROTOCOL.key).
func parseOpenSSH(data, passphrase []byte) (any, error) {
	key, err := ssh.ParseRawPrivateKey(data)
	if missing := new(ssh.PassphraseMissingError); errors.As(err, &missing) {
		if len(passphrase) == 0 {
			return nil, ErrPassphrase
		}
		if key, err = ssh.ParseRawPrivateKeyWithPassphrase(data, passphrase); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
		}
	}
	if err != nil {
		return nil, err
	}
	if pointer, ok := key.(*ed25519.PrivateKey); ok {
		return *pointer, nil
	}
	return key, nil
}

// A cosignKey is an encrypted key of 'cosign generate-key-pair'. The plaintext
// is PKCS #8:
//
//	{"kdf":{"name":"scrypt","params":{"N":65536,"r":8,"p":1},"salt":"…"},
//	 "cipher":{"name":"nacl/secretbox","nonce":"…"},"ciphertext":"…"}
type cosignKey struct {
	KDF struct {
		Name   string `json:"name"`
		Params struct {
			N int64 `json:"N"`
			R int64 `json:"r"`
			P int64 `json:"p"`
		} `json:"params"`
		Salt []byte `json:"salt"`
	} `json:"kdf"`
	Cipher struct {
		Name  string `json:"name"`
		Nonce []byte `json:"nonce"`
	} `json:"cipher"`
	Ciphertext []byte `json:"ciphertext"`
}

// decryptCosign decrypts a key of cosign, whose passphrase may be empty.
func decryptCosign(raw, passphrase []byte) (any, error) {
	var k cosignKey
	if err := json.Unmarshal(raw, &k); err != nil {
		return nil, fmt.Errorf("key of cosign: %w", err)
	}
	p := k.KDF.Params
	if k.KDF.Name != "scrypt" || k.Cipher.Name != "nacl/secretbox" || len(k.Cipher.Nonce) != 24 {
		return nil, fmt.Errorf("key of cosign under %.40q and %.40q, want scrypt and nacl/secretbox", k.KDF.Name, k.Cipher.Name)
	}
	if err := checkScryptCost(p.N, p.R, p.P, len(k.KDF.Salt)); err != nil {
		return nil, fmt.Errorf("key of cosign: %w", err)
	}
	derived, err := scrypt.Key(passphrase, k.KDF.Salt, int(p.N), int(p.R), int(p.P), 32)
	if err != nil {
		return nil, fmt.Errorf("key of cosign: %w", err)
	}
	der, ok := secretbox.Open(nil, k.Ciphertext, (*[24]byte)(k.Cipher.Nonce), (*[32]byte)(derived))
	if !ok {
		return nil, ErrPassphrase
	}
	return x509.ParsePKCS8PrivateKey(der)
}
