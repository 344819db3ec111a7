// SPDX-License-Identifier: Apache-2.0

package ceremony

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
)

var (
	start       = time.Date(2026, 3, 1, 12, 0, 0, 123, time.UTC)
	tenYears    = trust.Validity{Start: start, End: start.AddDate(10, 0, 0)}
	threeYears  = trust.Validity{Start: start, End: start.AddDate(3, 0, 0)}
	thirtyYears = trust.Validity{Start: start, End: start.AddDate(30, 0, 0)} // beyond 2049: GeneralizedTime
)

// An authority is a root with what it has issued.
type authority struct {
	rootKey                          crypto.Signer
	root, intermediate, timestamping *x509.Certificate
}

func newAuthority(t *testing.T, rootKey crypto.Signer, pub crypto.PublicKey) authority {
	t.Helper()
	root := testkit.Must(Root(rootKey, "example.com", "Example root", thirtyYears))(t)
	return authority{
		rootKey, root,
		testkit.Must(Intermediate(root, rootKey, pub, "Example CA", threeYears))(t),
		testkit.Must(Timestamping(root, rootKey, pub, "Example TSA", threeYears))(t),
	}
}

func extension(cert *x509.Certificate, arcs ...int) (critical, present bool) {
	for _, e := range cert.Extensions {
		if slices.Equal(e.Id, arcs) {
			return e.Critical, true
		}
	}
	return false, false
}

// TestSpecification goes through the requirements of certificate-specification.md
// and RFC 3161 §2.3.
func TestSpecification(t *testing.T) {
	a := newAuthority(t, testkit.Key(t, elliptic.P384()), testkit.P256(t).Public())
	for name, cert := range map[string]*x509.Certificate{
		"root": a.root, "intermediate": a.intermediate, "timestamping": a.timestamping,
	} {
		if cert.Subject.CommonName == "" || !slices.Equal(cert.Subject.Organization, []string{"example.com"}) {
			t.Errorf("%s: subject %v", name, cert.Subject)
		}
		if !bytes.Equal(cert.RawIssuer, a.root.RawSubject) {
			t.Errorf("%s: issuer %v", name, cert.Issuer)
		}
		if n := cert.SerialNumber; n.Sign() <= 0 || n.BitLen() < 128 || n.BitLen() > 159 {
			t.Errorf("%s: serial number %v", name, n)
		}
		if len(cert.SubjectKeyId) != 20 || name != "root" && !bytes.Equal(cert.AuthorityKeyId, a.root.SubjectKeyId) {
			t.Errorf("%s: key identifiers %x, %x", name, cert.SubjectKeyId, cert.AuthorityKeyId)
		}
		if !cert.NotBefore.Equal(start.Truncate(time.Second)) {
			t.Errorf("%s: not before %v", name, cert.NotBefore)
		}
		if critical, present := extension(cert, 2, 5, 29, 15); !critical || !present {
			t.Errorf("%s: key usage is not critical", name)
		}
		wantCA := name != "timestamping"
		if critical, present := extension(cert, 2, 5, 29, 19); cert.IsCA != wantCA || critical != wantCA || present != wantCA {
			t.Errorf("%s: basic constraints", name)
		}
		if wantCA && cert.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
			t.Errorf("%s: key usage %b", name, cert.KeyUsage)
		}
	}
	if a.root.ExtKeyUsage != nil || a.root.MaxPathLen != 1 || !a.root.NotAfter.Equal(thirtyYears.End.Truncate(time.Second)) {
		t.Errorf("root: usage %v, path length %d, not after %v", a.root.ExtKeyUsage, a.root.MaxPathLen, a.root.NotAfter)
	}
	if !slices.Equal(a.intermediate.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}) ||
		a.intermediate.MaxPathLen != 0 || !a.intermediate.MaxPathLenZero {
		t.Errorf("intermediate: usage %v, path length %d", a.intermediate.ExtKeyUsage, a.intermediate.MaxPathLen)
	}
	critical, _ := extension(a.timestamping, 2, 5, 29, 37)
	if !critical || !slices.Equal(a.timestamping.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}) ||
		a.timestamping.UnknownExtKeyUsage != nil || a.timestamping.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("timestamping: usage %v %b", a.timestamping.ExtKeyUsage, a.timestamping.KeyUsage)
	}
}

// TestUsagesKeepApart checks that neither authority's certificate is valid in the other's role.
func TestUsagesKeepApart(t *testing.T) {
	key := testkit.P256(t)
	a := newAuthority(t, testkit.Key(t, elliptic.P384()), key.Public())
	roots := x509.NewCertPool()
	roots.AddCert(a.root)
	for name, try := range map[string]struct {
		cert  *x509.Certificate
		usage x509.ExtKeyUsage
	}{
		"intermediate that stamps":  {a.intermediate, x509.ExtKeyUsageTimeStamping},
		"timestamping signs code":   {a.timestamping, x509.ExtKeyUsageCodeSigning},
		"intermediate serves TLS":   {a.intermediate, x509.ExtKeyUsageServerAuth},
		"timestamping also for TLS": {a.timestamping, x509.ExtKeyUsageServerAuth},
	} {
		options := x509.VerifyOptions{Roots: roots, CurrentTime: start.Add(time.Hour), KeyUsages: []x509.ExtKeyUsage{try.usage}}
		if _, err := try.cert.Verify(options); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := Timestamping(a.intermediate, key, key.Public(), "TSA", threeYears); err == nil {
		t.Error("the intermediate made a timestamping certificate")
	}
}

func TestRefuses(t *testing.T) {
	key := testkit.P256(t)
	pub := testkit.P256(t).Public()
	a := newAuthority(t, key, pub)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() (*x509.Certificate, error){
		"root without name":         func() (*x509.Certificate, error) { return Root(key, "example.com", "", tenYears) },
		"root without organization": func() (*x509.Certificate, error) { return Root(key, "", "Root", tenYears) },
		"root without end": func() (*x509.Certificate, error) {
			return Root(key, "example.com", "Root", trust.Validity{Start: start})
		},
		"root without start": func() (*x509.Certificate, error) {
			return Root(key, "example.com", "Root", trust.Validity{End: start})
		},
		"root that ends first": func() (*x509.Certificate, error) {
			return Root(key, "example.com", "Root", trust.Validity{Start: start, End: start})
		},
		"root on P-224":    func() (*x509.Certificate, error) { return Root(testkit.Key(t, elliptic.P224()), "O", "Root", tenYears) },
		"root on RSA 1024": func() (*x509.Certificate, error) { return Root(small, "O", "Root", tenYears) },
		"intermediate beyond the root": func() (*x509.Certificate, error) {
			return Intermediate(a.root, key, pub, "CA", trust.Validity{Start: start, End: start.AddDate(31, 0, 0)})
		},
		"intermediate before the root": func() (*x509.Certificate, error) {
			return Intermediate(a.root, key, pub, "CA", trust.Validity{Start: start.Add(-time.Hour), End: start.AddDate(1, 0, 0)})
		},
		"intermediate of the root's name": func() (*x509.Certificate, error) {
			return Intermediate(a.root, key, pub, "Example root", threeYears)
		},
		"intermediate of another's key": func() (*x509.Certificate, error) {
			return Intermediate(a.root, testkit.P256(t), pub, "CA", threeYears)
		},
		"intermediate under an intermediate": func() (*x509.Certificate, error) {
			return Intermediate(a.intermediate, key, pub, "CA", threeYears)
		},
		"intermediate under a leaf": func() (*x509.Certificate, error) {
			return Intermediate(a.timestamping, key, pub, "CA", threeYears)
		},
		"timestamping on P-224": func() (*x509.Certificate, error) {
			return Timestamping(a.root, key, testkit.Key(t, elliptic.P224()).Public(), "TSA", threeYears)
		},
		"timestamping without name": func() (*x509.Certificate, error) { return Timestamping(a.root, key, pub, "", threeYears) },
	} {
		if cert, err := try(); err == nil {
			t.Errorf("%s: made %v", name, cert.Subject)
		}
	}
}

func TestOpenSSL(t *testing.T) {
	openssl := testkit.OpenSSL(t)
	rsaKey := testkit.RSA(t, 3072)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{
		"P-256": testkit.P256(t), "P-384": testkit.Key(t, elliptic.P384()), "P-521": testkit.Key(t, elliptic.P521()),
		"RSA": rsaKey, "Ed25519": edKey,
	} {
		a := newAuthority(t, key, testkit.P256(t).Public())
		dir := t.TempDir()
		for file, cert := range map[string]*x509.Certificate{"root": a.root, "ca": a.intermediate, "tsa": a.timestamping} {
			content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
			if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{
			{"root"}, {"ca"}, {"-purpose", "timestampsign", "tsa"},
		} {
			cmd := exec.Command(openssl, append([]string{"verify", "-x509_strict", "-check_ss_sig", "-no-CApath", "-attime", "1780000000", "-CAfile", "root"}, args...)...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %v: %s", name, args, err, out)
			}
		}
	}
}
