// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
)

// opensslStamp returns a token of openssl ts over the signature. The token identifies its
// certificate with this hash.
func opensslStamp(t *testing.T, openssl string, tsa certified, signature []byte, hash string, embed bool) []byte {
	t.Helper()
	dir := t.TempDir()
	config := "[tsa]\ndefault_tsa=t\n[t]\nserial=serial\nsigner_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256\ness_cert_id_alg=" + hash + "\n"
	for file, content := range map[string][]byte{
		"data": signature, "config": []byte(config), "serial": []byte("01\n"), "leaf": pemOf(tsa.cert.Raw),
		"key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: testkit.Must(x509.MarshalPKCS8PrivateKey(tsa.key))(t)}),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	query := []string{"ts", "-query", "-data", "data", "-sha256", "-out", "query"}
	if embed {
		query = append(query, "-cert")
	}
	for _, args := range [][]string{query, {"ts", "-reply", "-config", "config", "-queryfile", "query", "-signer", "leaf", "-inkey", "key", "-out", "reply"}} {
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v: %s", args[:2], err, out)
		}
	}
	return testkit.Must(os.ReadFile(filepath.Join(dir, "reply")))(t)
}

// stampingCertificate certifies key for timestamping from now on.
func stampingCertificate(t testing.TB, key crypto.Signer, root *certified) certified {
	t.Helper()
	usage := testkit.Must(asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}))(t)
	return issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(4660), Subject: pkix.Name{CommonName: "tsa"}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}, key, root)
}

// TestOpenSSLTimestamps checks tokens of OpenSSL that identify their certificate by SHA-1 or
// SHA-2, with the certificate in the token or in the trusted root.
func TestOpenSSLTimestamps(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	in := newInstance(t, "example.com")
	template := caTemplate("tsa root")
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	root := issue(t, template, fixedKey(t, "tsa root"), nil)
	policy := verify.Requirements{Keys: trustSigner(t), NoLogUnsafe: true}
	for kind, key := range map[string]crypto.Signer{"RSA": testkit.RSA(t, 2048), "ECDSA": fixedKey(t, "tsa")} {
		leaf := stampingCertificate(t, key, &root)
		impostor := stampingCertificate(t, key, &root) // with the same key, name and serial number
		for _, hash := range []string{"sha1", "sha256", "sha512"} {
			for _, embed := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %s, embedded: %v", kind, hash, embed), func(t *testing.T) {
					b := in.sign(t, artifact, order{keyed: true, logs: []*logServer{}, tsas: []*stamper{}})
					b.Timestamps = [][]byte{opensslStamp(t, openssl, leaf, b.Signature(), hash, embed)}
					trusting := func(chain ...*x509.Certificate) *verify.Verifier {
						return in.rooted(t, func(r *trust.Root) {
							r.TimestampAuthorities = []trust.Authority{{URI: "https://tsa.example.com", Chain: chain, Validity: trust.Validity{Start: root.cert.NotBefore}}}
						})
					}
					if r, err := trusting(leaf.cert, root.cert).Verify(b, fromBytes(artifact), policy); err != nil || time.Since(r.Times[0].Time) > time.Minute {
						t.Errorf("got %+v, %v", r, err)
					}
					_, err := trusting(root.cert).Verify(b, fromBytes(artifact), policy)
					if embed && err != nil {
						t.Errorf("the root alone: %v", err)
					} else if !embed {
						refused(t, err, verify.StepTimes, verify.TimestampUntrusted)
					}
					if _, err = trusting(impostor.cert, root.cert).Verify(b, fromBytes(artifact), policy); !embed {
						refused(t, err, verify.StepTimes, verify.TimestampUntrusted)
					}
					b.Timestamps = [][]byte{opensslStamp(t, openssl, leaf, []byte("other"), hash, embed)}
					_, err = trusting(leaf.cert, root.cert).Verify(b, fromBytes(artifact), policy)
					refused(t, err, verify.StepTimes, verify.TimestampInvalid)
				})
			}
		}
	}
}
