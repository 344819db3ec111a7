// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/hallmark-sign/hallmark/internal/testkit"
)

func readCertificate(t testing.TB, path string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(testkit.Must(os.ReadFile(path))(t))
	if block == nil {
		t.Fatalf("%s is not PEM", path)
	}
	return testkit.Must(x509.ParseCertificate(block.Bytes))(t)
}

// checkOpenSSL checks a token over "hello" against the parameters given to
// openssl.
func checkOpenSSL(t *testing.T, der []byte, leaf, other *x509.Certificate, hash crypto.Hash, embedded bool) {
	t.Helper()
	token, err := ParseResponse(der)
	if err != nil {
		t.Fatal(err)
	}
	if !token.Names(leaf) || token.Names(other) || len(token.signer.certIDs) != 1 || token.signer.certIDs[0].hash != hash {
		t.Error("the signer's certificate is not named as requested")
	}
	if err := token.VerifySignature(leaf); err != nil {
		t.Error(err)
	}
	if err := token.CheckImprint([]byte("hello")); err != nil {
		t.Error(err)
	}
	if token.VerifySignature(other) == nil || slices.ContainsFunc(token.Certificates, leaf.Equal) != embedded {
		t.Error("wrong certificate, or embedded against the request")
	}
}

// TestOpenSSLVectors reads tokens of openssl ts. Their certificates are named
// by SHA-1 (ESSCertID) and SHA-256 (ESSCertIDv2), alone and with their chain.
func TestOpenSSLVectors(t *testing.T) {
	rsa, ecdsa := readCertificate(t, "testdata/rsa.pem"), readCertificate(t, "testdata/ecdsa.pem")
	files := testkit.Must(filepath.Glob("testdata/*.tsr"))(t)
	if len(files) != 8 {
		t.Fatalf("%d vectors", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			leaf, other, hash := rsa, ecdsa, crypto.SHA256
			if strings.Contains(file, "ecdsa") {
				leaf, other = ecdsa, rsa
			}
			if strings.Contains(file, "sha1") {
				hash = crypto.SHA1
			}
			checkOpenSSL(t, testkit.Must(os.ReadFile(file))(t), leaf, other, hash, strings.Contains(file, "embedded"))
		})
	}
}

// tsConfig requests each way of naming the certificate.
const tsConfig = "[tsa]\ndefault_tsa=t\n[t]\nserial=serial\nsigner_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256\n" +
	"tsa_name=yes\naccuracy=secs:1\ness_cert_id_alg=%s\ness_cert_id_chain=%s\n"

// TestOpenSSLTokens does the same with the installed openssl.
func TestOpenSSLTokens(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	keys := keysOfEachKind(t)
	other := chainFor(t, keys["P-384"])[0]
	for _, kind := range []string{"RSA", "P-256"} {
		chain := chainFor(t, keys[kind])
		for hash, name := range map[crypto.Hash]string{crypto.SHA1: "sha1", crypto.SHA256: "sha256", crypto.SHA512: "sha512"} {
			for _, whole := range []string{"yes", "no"} {
				for _, cert := range []string{"-cert", "-no_nonce"} {
					t.Run(kind+" "+name+" "+whole+" "+cert, func(t *testing.T) {
						der := opensslReply(t, openssl, keys[kind], chain, fmt.Sprintf(tsConfig, name, whole), cert)
						checkOpenSSL(t, der, chain[0], other, hash, cert == "-cert")
					})
				}
			}
		}
	}
}

func opensslReply(t *testing.T, openssl string, key crypto.Signer, chain []*x509.Certificate, config, flag string) []byte {
	t.Helper()
	dir := t.TempDir()
	for file, content := range map[string][]byte{
		"data": []byte("hello"), "config": []byte(config), "serial": []byte("01\n"),
		"leaf": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[0].Raw}),
		"root": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[1].Raw}),
		"key":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: testkit.Must(x509.MarshalPKCS8PrivateKey(key))(t)}),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"ts", "-query", "-data", "data", "-sha256", flag, "-out", "query"},
		{"ts", "-reply", "-config", "config", "-queryfile", "query", "-signer", "leaf", "-inkey", "key", "-chain", "root", "-out", "reply"},
	} {
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v: %s", args[:2], err, out)
		}
	}
	return testkit.Must(os.ReadFile(filepath.Join(dir, "reply")))(t)
}

// certID returns a signing certificate attribute of version 1 or 2.
func certID(oid asn1.ObjectIdentifier, hash []byte) func(*cryptobyte.Builder) {
	return func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1OctetString(hash) })
					})
				})
			})
		})
	}
}

// signWith returns a token with these attributes besides content type and
// digest.
func signWith(t *testing.T, s *Signer, ids ...func(*cryptobyte.Builder)) []byte {
	t.Helper()
	info := testkit.Must(marshalInfo(request("hello"), stampNow()))(t)
	var all [][]byte
	for _, add := range append(ids,
		attribute(oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidTSTInfo) }),
		attribute(oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(digest(s.digest, info)) }),
	) {
		var b cryptobyte.Builder
		add(&b)
		all = append(all, testkit.Must(b.Bytes())(t))
	}
	slices.SortFunc(all, bytes.Compare)
	var set cryptobyte.Builder
	set.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(all, nil)) })
	attributes := testkit.Must(set.Bytes())(t)
	signature := testkit.Must(s.key.Sign(rand.Reader, digest(s.digest, attributes), s.digest))(t)
	return testkit.Must(s.marshal(true, info, attributes, signature))(t)
}

func attribute(oid asn1.ObjectIdentifier, value func(*cryptobyte.Builder)) func(*cryptobyte.Builder) {
	return func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			b.AddASN1(cbasn1.SET, value)
		})
	}
}

// TestSigningCertificateAttributes checks that one of the two versions is
// required, and that both must match if both are present.
func TestSigningCertificateAttributes(t *testing.T) {
	key := keysOfEachKind(t)["P-256"]
	chain := chainFor(t, key)
	s := testkit.Must(NewSigner(key, chain))(t)
	sum := sha1.Sum(chain[0].Raw)
	v1, v2 := certID(oidSigningCertificate, sum[:]), certID(oidSigningCertificateV2, s.certHash)
	wrong1, wrong2 := certID(oidSigningCertificate, make([]byte, 20)), certID(oidSigningCertificateV2, make([]byte, 32))
	for name, c := range map[string]struct {
		ids    []func(*cryptobyte.Builder)
		parses bool
		names  bool
	}{
		"version 1":            {[]func(*cryptobyte.Builder){v1}, true, true},
		"version 2":            {[]func(*cryptobyte.Builder){v2}, true, true},
		"both":                 {[]func(*cryptobyte.Builder){v1, v2}, true, true},
		"version 1 of another": {[]func(*cryptobyte.Builder){wrong1}, true, false},
		"2 of another beside":  {[]func(*cryptobyte.Builder){v1, wrong2}, true, false},
		"1 of another beside":  {[]func(*cryptobyte.Builder){wrong1, v2}, true, false},
		"neither":              {nil, false, false},
		"version 1 twice":      {[]func(*cryptobyte.Builder){v1, wrong1}, false, false},
		"SHA-256 in version 1": {[]func(*cryptobyte.Builder){certID(oidSigningCertificate, s.certHash)}, false, false},
		"SHA-1 in version 2":   {[]func(*cryptobyte.Builder){certID(oidSigningCertificateV2, sum[:])}, false, false},
		"no value":             {[]func(*cryptobyte.Builder){attribute(oidSigningCertificate, func(*cryptobyte.Builder) {}), v2}, false, false},
	} {
		token, err := ParseResponse(signWith(t, s, c.ids...))
		if (err == nil) != c.parses {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (token.Names(chain[0]) != c.names || (token.VerifySignature(chain[0]) == nil) != c.names) {
			t.Errorf("%s: names it: %v, verifies: %v", name, token.Names(chain[0]), token.VerifySignature(chain[0]))
		}
	}
}

// TestTokenCertificatesAreBounded checks that number and size of the
// certificates in a token are bounded before one is parsed.
func TestTokenCertificatesAreBounded(t *testing.T) {
	key := keysOfEachKind(t)["P-256"]
	chain := chainFor(t, key)
	s := testkit.Must(NewSigner(key, chain))(t)
	r := request("hello")
	r.CertReq = true
	for n, ok := range map[int]bool{0: true, 1: true, maxCertificates: true, maxCertificates + 1: false, 100_000: false} {
		s.chain = bytes.Repeat(chain[0].Raw, n)
		der, err := s.Sign(r, stampNow())
		if err == nil {
			_, err = ParseResponse(der)
		}
		if (err == nil) != ok {
			t.Errorf("%d: %v", n, err)
		}
	}
	for size, ok := range map[int]bool{maxChain / 2: true, maxChain: false} {
		root := &x509.Certificate{SerialNumber: big.NewInt(1)}
		root.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, size)}}
		s.chain = testkit.Must(x509.CreateCertificate(rand.Reader, root, root, key.Public(), key))(t)
		if _, err := ParseResponse(testkit.Must(s.Sign(r, stampNow()))(t)); (err == nil) != ok {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}
