// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/publickey"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

var passphrase = []byte("correct horse")

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// load reads the private key in a file.
func load(path string, passphrase []byte) (crypto.Signer, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(raw, passphrase)
}

// marshalPublic returns key as PEM.
func marshalPublic(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	return block("PUBLIC KEY", der), err
}

func same(a, b crypto.Signer) bool {
	return a.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(b.Public())
}

// TestCost checks the cost of guessing a passphrase, in the written file.
func TestCost(t *testing.T) {
	block, _ := pem.Decode(must(MarshalEncrypted(must(Generate("ed25519")), passphrase)))
	var key encryptedKey
	var p scryptParams
	if _, err := asn1.Unmarshal(block.Bytes, &key); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(key.Algorithm.Params.KDF.Parameters.FullBytes, &p); err != nil {
		t.Fatal(err)
	}
	if p.N != 1<<14 || p.R != 8 || p.P != 5 || len(p.Salt) != 16 {
		t.Errorf("scrypt with N=%d, r=%d, p=%d, %d bytes of salt", p.N, p.R, p.P, len(p.Salt))
	}
}

func TestRoundTrip(t *testing.T) {
	for _, kind := range []string{"ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048", "rsa-3072"} {
		key := must(Generate(kind))
		data := must(MarshalEncryptedUnsafe(key, passphrase))
		if got, err := ParseEncrypted(data, passphrase); err != nil || !same(got, key) {
			t.Errorf("%s: read back %v", kind, err)
		}
		plain := block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))
		if got, err := Parse(plain, nil); err != nil || !same(got, key) {
			t.Errorf("%s unencrypted: %v", kind, err)
		}
		if _, err := ParseEncrypted(plain, nil); err == nil {
			t.Errorf("%s: an unencrypted key is read as encrypted", kind)
		}
		public, err := publickey.Parse(must(marshalPublic(key.Public())))
		if err != nil || !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(public) {
			t.Errorf("%s public: %v", kind, err)
		}
	}
	if _, err := Generate("dsa"); err == nil {
		t.Error("an unknown kind is generated")
	}
}

func TestOlderForms(t *testing.T) {
	ec, rsaKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), testkit.RSA(t, 2048)
	sec1 := block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ec)))
	parameters := block("EC PARAMETERS", must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7})))
	for name, c := range map[string]struct {
		data []byte
		want crypto.Signer
	}{
		"SEC 1":                 {sec1, ec},
		"SEC 1 with parameters": {append(parameters, sec1...), ec},
		"PKCS #1":               {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), rsaKey},
	} {
		if got, err := Parse(c.data, nil); err != nil || !same(got, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPassphrase(t *testing.T) {
	key := must(Generate("ecdsa-p256"))
	for _, empty := range [][]byte{nil, {}} {
		if _, err := MarshalEncrypted(key, empty); err == nil {
			t.Error("an empty passphrase is accepted")
		}
	}
	data := must(MarshalEncryptedUnsafe(key, passphrase))
	for _, wrong := range []string{"", "Correct horse", "correct horse "} {
		if _, err := Parse(data, []byte(wrong)); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := load(path, passphrase); err != nil || !same(got, key) {
		t.Error(err)
	}
	if _, err := load(path, nil); !errors.Is(err, ErrPassphrase) {
		t.Errorf("loading without a passphrase: %v", err)
	}
	if _, err := load(path+"x", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("loading a missing file: %v", err)
	}
}

func TestRefused(t *testing.T) {
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	weak := block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(p224)))
	for name, data := range map[string][]byte{
		"nothing":     nil,
		"no PEM":      []byte("key"),
		"certificate": block("CERTIFICATE", []byte{1}),
		"two keys":    append(bytes.Clone(weak), weak...),
		"old cipher":  []byte("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END EC PRIVATE KEY-----\n"),
		"too long":    make([]byte, MaxFile+1),
		"not PBES2":   block(typeEncrypted, []byte{0x30, 0}),
	} {
		if _, err := Parse(data, passphrase); err == nil || errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := publickey.Parse(data); err == nil {
			t.Errorf("%s is a public key", name)
		}
	}
	if _, err := Parse(weak, nil); !errors.Is(err, sigalg.ErrWeakKey) {
		t.Errorf("P-224: %v", err)
	}
	if _, err := MarshalEncrypted(p224, passphrase); !errors.Is(err, sigalg.ErrWeakKey) {
		t.Errorf("writing P-224: %v", err)
	}
}

// encrypted returns a file that specifies this cost.
func encrypted(kdf asn1.ObjectIdentifier, params any, iv, data []byte) []byte {
	var key encryptedKey
	key.Algorithm.OID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	key.Algorithm.Params.KDF = pkix.AlgorithmIdentifier{Algorithm: kdf, Parameters: asn1.RawValue{FullBytes: must(asn1.Marshal(params))}}
	key.Algorithm.Params.Cipher = pkix.AlgorithmIdentifier{
		Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, Parameters: asn1.RawValue{FullBytes: must(asn1.Marshal(iv))},
	}
	key.Data = data
	return block(typeEncrypted, must(asn1.Marshal(key)))
}

// TestCostIsBounded uses files that would each take gigabytes, hours, or a panic.
func TestCostIsBounded(t *testing.T) {
	scrypt, pbkdf2 := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	type costs struct {
		Salt    []byte
		N, R, P int64
	}
	type iterations struct {
		Salt []byte
		N    int64
	}
	iv, salt := make([]byte, 16), make([]byte, 16)
	for name, data := range map[string][]byte{
		"scrypt N":          encrypted(scrypt, costs{salt, 1 << 30, 8, 1}, iv, iv),
		"scrypt r":          encrypted(scrypt, costs{salt, 1 << 14, 1 << 30, 1}, iv, iv),
		"scrypt p":          encrypted(scrypt, costs{salt, 1 << 14, 8, 1 << 10}, iv, iv),
		"scrypt overflow":   encrypted(scrypt, costs{salt, 1 << 62, 1 << 62, 1 << 62}, iv, iv),
		"scrypt negative":   encrypted(scrypt, costs{salt, -4, -4, 1}, iv, iv),
		"PBKDF2 iterations": encrypted(pbkdf2, iterations{salt, 1 << 40}, iv, iv),
		"PBKDF2 none":       encrypted(pbkdf2, iterations{salt, 0}, iv, iv),
		"short vector":      encrypted(pbkdf2, iterations{salt, 1000}, iv[:8], iv),
		"no data":           encrypted(pbkdf2, iterations{salt, 1000}, iv, nil),
		"part of a block":   encrypted(pbkdf2, iterations{salt, 1000}, iv, iv[:15]),
		"another KDF":       encrypted(asn1.ObjectIdentifier{1, 2, 3}, iterations{salt, 1}, iv, iv),
	} {
		if _, err := Parse(data, passphrase); err == nil || errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl on this machine")
	}
	dir := t.TempDir()
	ours, cheap, theirs := filepath.Join(dir, "ours.pem"), filepath.Join(dir, "cheap.pem"), filepath.Join(dir, "theirs.pem")
	key := must(Generate("ecdsa-p384"))
	for path, raw := range map[string][]byte{ours: must(MarshalEncrypted(key, passphrase)), cheap: must(MarshalEncryptedUnsafe(key, passphrase))} {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pass := "pass:" + string(passphrase)
	public, err := exec.Command("openssl", "pkey", "-in", ours, "-passin", pass, "-pubout").Output()
	if err != nil || !bytes.Equal(public, must(marshalPublic(key.Public()))) {
		t.Errorf("openssl reads our key as %q, %v", public, err)
	}
	for _, how := range [][]string{{"-v2", "aes-256-cbc"}, {"-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA256"}, {"-scrypt"}} {
		args := append([]string{"pkcs8", "-topk8", "-in", cheap, "-passin", pass, "-passout", pass, "-out", theirs}, how...)
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl: %v: %s", err, out)
		}
		if got, err := load(theirs, passphrase); err != nil || !same(got, key) {
			t.Errorf("%v: %v", how, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	key := must(Generate("ecdsa-p256"))
	f.Add(block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))))
	f.Add(block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey)))))
	f.Add(must(marshalPublic(key.Public())))
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := Parse(data, nil); err == nil {
			if _, err := sigalg.ForKey(key.Public()); err != nil {
				t.Error(err)
			}
		}
		if key, err := publickey.Parse(data); err == nil {
			if again, err := marshalPublic(key); err != nil || len(again) == 0 {
				t.Error(err)
			}
		}
	})
}

// FuzzParseEncrypted checks that the cost in a file is checked before it is paid, so that
// parsing is fast.
func FuzzParseEncrypted(f *testing.F) {
	raw := must(MarshalEncrypted(must(Generate("ecdsa-p256")), []byte("passphrase")))
	der, _ := pem.Decode(raw)
	f.Add(der.Bytes)
	f.Fuzz(func(t *testing.T, der []byte) {
		if checkCost(der) != nil {
			if _, err := ParseEncrypted(block(typeEncrypted, der), []byte("passphrase")); err == nil {
				t.Error("a key of any cost was read")
			}
		}
	})
}
