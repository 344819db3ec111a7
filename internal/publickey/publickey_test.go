// SPDX-License-Identifier: Apache-2.0

package publickey_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/hallmark-sign/hallmark/internal/publickey"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func certificate(key crypto.Signer) []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)}
	return must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
}

// TestForms reads each kind of key in each form.
func TestForms(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := testkit.RSA(t, 2048)
	for name, key := range map[string]crypto.Signer{
		"P-256": must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "P-384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"P-521": must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)), "Ed25519": ed, "RSA": rsaKey,
	} {
		spki := must(x509.MarshalPKIXPublicKey(key.Public()))
		line := ssh.MarshalAuthorizedKey(must(ssh.NewPublicKey(key.Public())))
		forms := map[string][]byte{
			"PEM": block("PUBLIC KEY", spki), "DER": spki, "certificate": block("CERTIFICATE", certificate(key)), "certificate in DER": certificate(key),
			"certificate with its chain": append(block("CERTIFICATE", certificate(key)), block("CERTIFICATE", certificate(rsaKey))...),
			"OpenSSH":                    line, "OpenSSH with a comment": append(bytes.TrimSpace(line), " alice@example.com\r\n"...),
		}
		if name == "RSA" {
			forms["PKCS #1"] = block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey))
			forms["PKCS #1 in DER"] = x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)
		}
		for form, data := range forms {
			got, err := publickey.Parse(data)
			if err != nil || !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(got) {
				t.Errorf("%s, %s: %v", name, form, err)
			}
		}
	}
}

// TestCompressed reads what openssl makes of each curve.
func TestCompressed(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl")
	}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key := must(ecdsa.GenerateKey(curve, rand.Reader))
		convert := exec.Command("openssl", "ec", "-pubout", "-conv_form", "compressed")
		convert.Stdin = bytes.NewReader(block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))))
		data, err := convert.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := publickey.Parse(data); err != nil || !key.PublicKey.Equal(got) {
			t.Errorf("%s: %v", curve.Params().Name, err)
		}
		point, _ := pem.Decode(data)
		point.Bytes[len(point.Bytes)-1-curve.Params().BitSize/8] = 5
		if _, err := publickey.Parse(pem.EncodeToMemory(point)); err == nil {
			t.Errorf("%s: a point of no form was read", curve.Params().Name)
		}
	}
}

// TestRefused shows that what is no public key of use is refused with its name and the
// way to one.
func TestRefused(t *testing.T) {
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	private := must(x509.MarshalPKCS8PrivateKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))))
	x25519 := must(exec.Command("sh", "-c", "openssl genpkey -algorithm x25519 | openssl pkey -pubout").Output())
	line := ssh.MarshalAuthorizedKey(must(ssh.NewPublicKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).Public())))
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":         {nil, "neither PEM nor DER"},
		"too long":        {make([]byte, publickey.MaxFile+1), "more than"},
		"private":         {block("PRIVATE KEY", private), "openssl pkey -in FILE -pubout"},
		"private in DER":  {private, "openssl pkey -in FILE -pubout"},
		"OpenSSH private": {block("OPENSSH PRIVATE KEY", nil), "ssh-keygen -y -f FILE"},
		"cosign private":  {block("ENCRYPTED SIGSTORE PRIVATE KEY", nil), "cosign public-key"},
		"PGP":             {block("PGP PUBLIC KEY BLOCK", nil), "PGP"},
		"SSH2":            {[]byte("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n"), "ssh-keygen -i -f FILE"},
		"two":             {append(block("PUBLIC KEY", nil), block("PUBLIC KEY", nil)...), "more than one block"},
		"two lines":       {append(bytes.Clone(line), line...), "more than one line"},
		"of another kind": {bytes.Replace(line, []byte("nistp256"), []byte("nistp384"), 1), "does not match the key"},
		"a security key":  {[]byte("sk-ssh-ed25519@openssh.com AAAA"), "OpenSSH"},
		"no base64":       {[]byte("ssh-ed25519 !"), "base64"},
		"P-224":           {block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&p224.PublicKey))), "not in the registry"},
		"X25519":          {x25519, "can't sign"},
		"RSA 1024 in SSH": {[]byte("ssh-rsa " + strings.Repeat("A", 40)), "does not match the key"},
	} {
		if key, err := publickey.Parse(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	f.Add(must(x509.MarshalPKIXPublicKey(key.Public())))
	f.Add(certificate(key))
	f.Add(ssh.MarshalAuthorizedKey(must(ssh.NewPublicKey(key.Public()))))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := publickey.Parse(data)
		if err != nil {
			return
		}
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := publickey.Parse(der); err != nil || !again.(interface{ Equal(crypto.PublicKey) bool }).Equal(key) {
			t.Errorf("read back: %v", err)
		}
	})
}
