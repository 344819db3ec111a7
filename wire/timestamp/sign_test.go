// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
)

// chainFor certifies key for time-stamping under a new root and returns leaf,
// root.
func chainFor(t testing.TB, key crypto.Signer) []*x509.Certificate {
	t.Helper()
	rootKey := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	root = testkit.Must(x509.ParseCertificate(testkit.Must(x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey))(t)))(t)
	usage := testkit.Must(asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}))(t)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "tsa"}, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: oidExtKeyUsage, Critical: true, Value: usage}},
	}
	leaf = testkit.Must(x509.ParseCertificate(testkit.Must(x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), rootKey))(t)))(t)
	return []*x509.Certificate{leaf, root}
}

func stampNow() Stamp {
	return Stamp{Time: time.Now(), Serial: big.NewInt(300), Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}}
}

func keysOfEachKind(t testing.TB) map[string]crypto.Signer {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	return map[string]crypto.Signer{
		"P-256":   testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t),
		"P-384":   testkit.Must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t),
		"P-521":   testkit.Must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))(t),
		"RSA":     testkit.RSA(t, 2048),
		"Ed25519": testkit.Must(ed, err)(t),
	}
}

func TestSignRoundTrip(t *testing.T) {
	other := chainFor(t, testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t))
	for name, key := range keysOfEachKind(t) {
		chain := chainFor(t, key)
		signer := testkit.Must(NewSigner(key, chain))(t)
		r, stamp := request("hello"), stampNow()
		r.Nonce, r.CertReq = big.NewInt(99), true
		token := testkit.Must(ParseResponse(testkit.Must(signer.Sign(r, stamp))(t)))(t)
		if err := token.VerifySignature(chain[0]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if token.VerifySignature(other[0]) == nil || token.VerifySignature(chain[1]) == nil {
			t.Errorf("%s: verified by another certificate", name)
		}
		if !token.Names(chain[0]) || token.Names(other[0]) || token.Names(chain[1]) {
			t.Errorf("%s: the signer's certificate is not the one that is named", name)
		}
		if !token.Time.Equal(stamp.Time.Truncate(time.Second)) || token.Nonce.Cmp(r.Nonce) != 0 ||
			token.Serial.Cmp(stamp.Serial) != 0 || !token.Policy.Equal(stamp.Policy) ||
			!bytes.Equal(token.Imprint, r.Imprint) || len(token.Certificates) != 1 {
			t.Errorf("%s: %+v", name, token)
		}
	}
}

// A hugeKey is an RSA key that can't sign. Computing with it would take long.
type hugeKey struct{ rsa.PublicKey }

func (k *hugeKey) Public() crypto.PublicKey { return &k.PublicKey }

func (k *hugeKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, k.Size()), nil
}

func TestHugeKeys(t *testing.T) {
	for bits, good := range map[uint]bool{8192: true, 8193: false, 240_000: false} {
		n := new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1)
		key := &hugeKey{rsa.PublicKey{N: n, E: 1<<31 - 1}}
		signer := testkit.Must(NewSigner(key, chainFor(t, key)))(t)
		r := request("hello")
		r.CertReq = true
		if _, err := ParseResponse(testkit.Must(signer.Sign(r, stampNow()))(t)); (err == nil) != good {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

func TestSignedMangled(t *testing.T) {
	key := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	chain := chainFor(t, key)
	der := testkit.Must(testkit.Must(NewSigner(key, chain))(t).Sign(request("hello"), stampNow()))(t)
	for i := range der {
		for bit := range 8 {
			mangled := bytes.Clone(der)
			mangled[i] ^= 1 << bit
			if token, err := ParseResponse(mangled); err == nil && token.VerifySignature(chain[0]) == nil {
				t.Errorf("verified with bit %d of byte %d flipped", bit, i)
			}
		}
	}
}

func TestNewSignerRefuses(t *testing.T) {
	key := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	chain := chainFor(t, key)
	for name, bad := range map[string][]*x509.Certificate{
		"no chain": nil, "a root": chain[1:], "another's chain": chainFor(t, testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)),
	} {
		if _, err := NewSigner(key, bad); err == nil {
			t.Errorf("made a signer of %s", name)
		}
	}
	r := request("a")
	r.Policy = asn1.ObjectIdentifier{1, 2, 3}
	if _, err := testkit.Must(NewSigner(key, chain))(t).Sign(r, stampNow()); err == nil {
		t.Error("signed for another policy")
	}
}

func TestOpenSSLVerify(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	for _, name := range []string{"P-256", "P-384", "P-521", "RSA"} {
		key := keysOfEachKind(t)[name]
		chain := chainFor(t, key)
		r := request("hello")
		r.CertReq = true
		dir := t.TempDir()
		for file, content := range map[string][]byte{
			"data": []byte("hello"),
			"tsr":  testkit.Must(testkit.Must(NewSigner(key, chain))(t).Sign(r, stampNow()))(t),
			"root": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[1].Raw}),
		} {
			if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(openssl, "ts", "-verify", "-data", "data", "-in", "tsr", "-CAfile", "root")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	key := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(b)
	signer := testkit.Must(NewSigner(key, chainFor(b, key)))(b)
	r, stamp := request("hello"), stampNow()
	for b.Loop() {
		if _, err := signer.Sign(r, stamp); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSignerIsNoAuthority checks that an authority's certificate can't be used
// to sign time-stamps, whatever its usages.
func TestSignerIsNoAuthority(t *testing.T) {
	key := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	leaf := *chainFor(t, key)[0]
	leaf.IsCA, leaf.BasicConstraintsValid, leaf.ExtraExtensions = true, true, leaf.Extensions
	ca := testkit.Must(x509.ParseCertificate(testkit.Must(x509.CreateCertificate(rand.Reader, &leaf, &leaf, key.Public(), key))(t)))(t)
	if _, err := NewSigner(key, []*x509.Certificate{ca}); err == nil || !strings.Contains(err.Error(), "belongs to an authority") {
		t.Errorf("got %v", err)
	}
}
