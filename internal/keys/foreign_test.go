// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/hallmark-sign/hallmark/internal/publickey"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

// TestOpenSSH reads each kind of key as ssh-keygen writes it, with and without passphrase.
func TestOpenSSH(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{
		"P-256": must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "P-521": must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"Ed25519": ed, "RSA": testkit.RSA(t, 2048),
	} {
		plain := pem.EncodeToMemory(must(ssh.MarshalPrivateKey(key, "alice@example.com")))
		if got, err := Parse(plain, nil); err != nil || !same(got, key) {
			t.Errorf("%s: %v", name, err)
		}
		if name != "Ed25519" && !testkit.Nightly() {
			continue // the derivation of the passphrase takes long, and is the same for all
		}
		encrypted := pem.EncodeToMemory(must(ssh.MarshalPrivateKeyWithPassphrase(key, "", passphrase)))
		if got, err := Parse(encrypted, passphrase); err != nil || !same(got, key) {
			t.Errorf("%s, encrypted: %v", name, err)
		}
		for _, wrong := range []string{"", "wrong"} {
			if _, err := Parse(encrypted, []byte(wrong)); !errors.Is(err, ErrPassphrase) {
				t.Errorf("%s, passphrase %q: %v", name, wrong, err)
			}
		}
	}
}

// TestCosign reads what 'cosign generate-key-pair' of cosign 3.1 has made.
func TestCosign(t *testing.T) {
	for name, passphrase := range map[string]string{"cosign": "pw", "empty": ""} {
		data := must(os.ReadFile("testdata/" + name + ".key"))
		public := must(publickey.Parse(must(os.ReadFile("testdata/" + name + ".pub"))))
		for _, kind := range []string{typeCosign, typeCosignOld} {
			key, err := Parse(bytes.ReplaceAll(data, []byte(typeCosign), []byte(kind)), []byte(passphrase))
			if err != nil || !key.Public().(*ecdsa.PublicKey).Equal(public) {
				t.Errorf("%s as %s: %v", name, kind, err)
			}
		}
		if _, err := Parse(data, []byte("wrong")); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, raw := range map[string]string{
		"no JSON": "x", "another KDF": `{"kdf":{"name":"pbkdf2"},"cipher":{"name":"nacl/secretbox"}}`,
		"endless":  `{"kdf":{"name":"scrypt","params":{"N":16777216,"r":1024,"p":1024}},"cipher":{"name":"nacl/secretbox","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}`,
		"no nonce": `{"kdf":{"name":"scrypt","params":{"N":2,"r":1,"p":1}},"cipher":{"name":"nacl/secretbox"}}`,
	} {
		if _, err := Parse(block(typeCosign, []byte(raw)), nil); err == nil || errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPrivateDER reads keys without PEM.
func TestPrivateDER(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	encrypted, _ := pem.Decode(must(MarshalEncryptedUnsafe(key, passphrase)))
	for name, der := range map[string][]byte{
		"PKCS #8": must(x509.MarshalPKCS8PrivateKey(key)), "SEC 1": must(x509.MarshalECPrivateKey(key)), "encrypted": encrypted.Bytes,
	} {
		if got, err := Parse(der, passphrase); err != nil || !same(got, key) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
