// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

// TestCertificate checks every line of the specification's "Issued Certificate", for every
// kind of key and both proofs.
func TestCertificate(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	for name, key := range map[string]crypto.Signer{
		"P-256": testkit.P256(t), "P-384": testkit.Key(t, elliptic.P384()), "P-521": testkit.Key(t, elliptic.P521()),
		"RSA 2048": testkit.RSA(t, 2048), "RSA 3072": newRSA(t, 3072), "Ed25519": testkit.Ed25519(t),
	} {
		for proof, r := range map[string]fulcio.Request{"proof": request(t, key), "CSR": csrRequest(t, key)} {
			t.Run(name+" "+proof, func(t *testing.T) {
				chain := i.mustIssue(t, r)
				if len(chain) != 3 || !chain[1].Equal(i.options.Chain[0]) || !chain[2].Equal(i.options.Chain[1]) {
					t.Fatalf("chain of %d", len(chain))
				}
				i.checkFields(t, chain[0], key.Public())
				i.checkTransparency(t, chain[0])
				id, err := identity.FromCertificate(chain[0])
				if err != nil || id != alice() {
					t.Errorf("identity %+v, %v", id, err)
				}
			})
		}
	}
	if size := i.ct.Size(); size != 12 {
		t.Errorf("%d precertificates are logged", size)
	}
}

func csrRequest(t testing.TB, key crypto.Signer) fulcio.Request {
	t.Helper()
	// The rest of a signing request, besides its key, is ignored.
	template := &x509.CertificateRequest{EmailAddresses: []string{"mallory@example.com"}, DNSNames: []string{"example.com"}}
	template.Subject.CommonName = "Mallory"
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return fulcio.Request{Token: goodToken, CSR: csr}
}

func (i *instance) checkFields(t *testing.T, leaf *x509.Certificate, pub crypto.PublicKey) {
	t.Helper()
	issuing := i.options.Chain[0]
	if err := leaf.CheckSignatureFrom(issuing); err != nil {
		t.Error(err)
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(i.options.Chain[1])
	intermediates.AddCert(issuing)
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: i.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}); err != nil {
		t.Error(err)
	}
	if !pub.(interface{ Equal(crypto.PublicKey) bool }).Equal(leaf.PublicKey) {
		t.Error("another key")
	}
	if start := i.now.Truncate(time.Second); !leaf.NotBefore.Equal(start) || !leaf.NotAfter.Equal(start.Add(10*time.Minute)) {
		t.Errorf("valid from %v to %v", leaf.NotBefore, leaf.NotAfter)
	}
	if leaf.Version != 3 || leaf.SerialNumber.Sign() <= 0 || leaf.SerialNumber.BitLen() != 159 {
		t.Errorf("version %d, serial number %v", leaf.Version, leaf.SerialNumber)
	}
	if !bytes.Equal(leaf.RawSubject, []byte{0x30, 0}) || !bytes.Equal(leaf.RawIssuer, issuing.RawSubject) {
		t.Errorf("subject %x, issuer %v", leaf.RawSubject, leaf.Issuer)
	}
	if len(leaf.SubjectKeyId) != 20 || !bytes.Equal(leaf.AuthorityKeyId, issuing.SubjectKeyId) {
		t.Errorf("key identifiers %x, %x", leaf.SubjectKeyId, leaf.AuthorityKeyId)
	}
	if leaf.KeyUsage != x509.KeyUsageDigitalSignature || leaf.UnknownExtKeyUsage != nil ||
		!slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}) {
		t.Errorf("usages %b %v", leaf.KeyUsage, leaf.ExtKeyUsage)
	}
	if leaf.IsCA || leaf.BasicConstraintsValid || len(leaf.DNSNames)+len(leaf.URIs) != 0 || !slices.Equal(leaf.EmailAddresses, []string{challenge}) {
		t.Errorf("names %v %v %v", leaf.DNSNames, leaf.URIs, leaf.EmailAddresses)
	}
	checkExtensions(t, leaf)
}

// checkExtensions checks that these extensions are present, and which are critical.
func checkExtensions(t *testing.T, leaf *x509.Certificate) {
	t.Helper()
	want := map[string]bool{
		"2.5.29.15": true, "2.5.29.37": false, "2.5.29.35": false, "2.5.29.14": false, "2.5.29.17": true,
		"1.3.6.1.4.1.57264.1.1": false, "1.3.6.1.4.1.57264.1.8": false, "1.3.6.1.4.1.11129.2.4.2": false,
	}
	for _, e := range leaf.Extensions {
		critical, ok := want[e.Id.String()]
		if !ok || critical != e.Critical {
			t.Errorf("extension %v, critical: %v", e.Id, e.Critical)
		}
		delete(want, e.Id.String())
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// checkTransparency checks the SCT, and that the precertificate differs only in the last
// extension.
func (i *instance) checkTransparency(t *testing.T, leaf *x509.Certificate) {
	t.Helper()
	scts, err := sct.Embedded(leaf)
	if err != nil || len(scts) != 1 {
		t.Fatalf("%d SCTs, %v", len(scts), err)
	}
	if err := scts[0].Verify(leaf, i.options.Chain[0], i.ctKey); err != nil {
		t.Error(err)
	}
	precert, err := x509.ParseCertificate(i.added.precert)
	if err != nil {
		t.Fatal(err)
	}
	if err := precert.CheckSignatureFrom(i.options.Chain[0]); err != nil {
		t.Error(err)
	}
	if !slices.ContainsFunc(precert.UnhandledCriticalExtensions, asn1.ObjectIdentifier(sct.OIDPoison()).Equal) {
		t.Error("precertificate has no critical poison")
	}
	a, err := sct.PrecertTBS(precert.RawTBSCertificate)
	if err != nil {
		t.Fatal(err)
	}
	b, err := sct.PrecertTBS(leaf.RawTBSCertificate)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("precertificate\n%x\ncertificate\n%x", a, b)
	}
}

// TestAuthorityKeys signs with every kind of authority key, and verifies the signature with
// both parsers.
func TestAuthorityKeys(t *testing.T) {
	openssl := testkit.OpenSSL(t)
	for name, try := range map[string]struct {
		key  crypto.Signer
		want x509.SignatureAlgorithm
	}{
		"P-256":   {testkit.P256(t), x509.ECDSAWithSHA256},
		"P-384":   {testkit.Key(t, elliptic.P384()), x509.ECDSAWithSHA384},
		"P-521":   {testkit.Key(t, elliptic.P521()), x509.ECDSAWithSHA512},
		"RSA":     {testkit.RSA(t, 2048), x509.SHA256WithRSA},
		"Ed25519": {testkit.Ed25519(t), x509.PureEd25519},
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstance(t, try.key)
			chain := i.mustIssue(t, request(t, testkit.P256(t)))
			if chain[0].SignatureAlgorithm != try.want {
				t.Errorf("signed with %v", chain[0].SignatureAlgorithm)
			}
			if err := chain[0].CheckSignatureFrom(chain[1]); err != nil {
				t.Error(err)
			}
			i.checkTransparency(t, chain[0])
			verifyOpenSSL(t, openssl, chain)
		})
	}
}

// TestOpenSSL checks every form of subject, and the extensions of a build.
func TestOpenSSL(t *testing.T) {
	openssl := testkit.OpenSSL(t)
	i := newInstance(t, testkit.P256(t))
	for _, subject := range []identity.Subject{
		{Type: identity.Email, Value: challenge},
		{Type: identity.URI, Value: "https://github.com/example/project/.github/workflows/release.yml@refs/heads/main"},
		{Type: identity.Username, Value: "alice!example.com"},
	} {
		id := identity.Identity{
			Issuer: "https://login.example.com", Subject: subject,
			Build: identity.Build{SourceRepositoryURI: "https://github.com/example/project", GitHubWorkflowSHA: "abc", TokenSubject: "repo:example"},
		}
		i.options.Tokens.(tokens)[goodToken] = is(id)
		chain := i.mustIssue(t, request(t, testkit.P256(t)))
		if got, err := identity.FromCertificate(chain[0]); err != nil || got != id {
			t.Errorf("%+v, %v", got, err)
		}
		verifyOpenSSL(t, openssl, chain)
	}
}

func verifyOpenSSL(t *testing.T, openssl string, chain []*x509.Certificate) {
	t.Helper()
	dir := t.TempDir()
	for n, file := range []string{"leaf", "ca", "root"} {
		content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[n].Raw})
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(openssl, "verify", "-x509_strict", "-check_ss_sig", "-no-CApath", "-CAfile", "root", "-untrusted", "ca", "leaf")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestNeverOutlivesTheIssuer(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	r := request(t, testkit.P256(t))
	end := i.options.Chain[0].NotAfter
	i.now = end.Add(-time.Minute)
	if leaf := i.mustIssue(t, r)[0]; !leaf.NotAfter.Equal(end) || !leaf.NotBefore.Equal(i.now) {
		t.Errorf("valid from %v to %v, issuer's to %v", leaf.NotBefore, leaf.NotAfter, end)
	}
	for _, now := range []time.Time{end, end.Add(time.Hour), i.options.Chain[0].NotBefore.Add(-time.Second)} {
		i.now = now
		a := i.post(t, "/api/v2/signingCert", marshal(t, r))
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
			t.Errorf("%v: %d %s", now, a.status, a.body)
		}
	}
}

// TestGeneralizedTime checks the encoding of times from 2050 on.
func TestGeneralizedTime(t *testing.T) {
	key := testkit.P256(t)
	i := newInstance(t, key)
	i.now = time.Date(2049, 12, 31, 23, 55, 0, 0, time.UTC)
	i.options.Chain = newChain(t, key.Public(), i.now.Add(-time.Hour))
	a, err := New(i.options)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := a.issue(t.Context(), request(t, testkit.P256(t)), goodToken)
	if err != nil {
		t.Fatal(err)
	}
	if leaf := chain[0]; !leaf.NotBefore.Equal(i.now) || !leaf.NotAfter.Equal(i.now.Add(lifetime)) ||
		!bytes.Contains(leaf.RawTBSCertificate, []byte("\x17\x0d491231235500Z\x18\x0f20500101000500Z")) {
		t.Errorf("valid from %v to %v", leaf.NotBefore, leaf.NotAfter)
	}
}

func TestConcurrentIssues(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	r := request(t, testkit.P256(t))
	var mu sync.Mutex
	serials, indexes := map[string]bool{}, map[uint64]bool{}
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 8 {
				chain, err := i.issue(t.Context(), r, goodToken)
				if err != nil {
					t.Error(err)
					return
				}
				scts, err := sct.Embedded(chain[0])
				if err != nil {
					t.Error(err)
					return
				}
				index, _, err := sct.ParseLeafIndex(scts[0].Extensions)
				if err := firstOf(err, scts[0].Verify(chain[0], chain[1], i.ctKey)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				serials[chain[0].SerialNumber.String()], indexes[index] = true, true
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	if len(serials) != 64 || len(indexes) != 64 {
		t.Errorf("%d serial numbers, %d indexes", len(serials), len(indexes))
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestSerials checks that serial numbers have twenty octets and are unique.
func TestSerials(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		n := new(big.Int).SetBytes(newSerial())
		if der, err := asn1.Marshal(n); err != nil || len(der) != 22 || n.Sign() <= 0 {
			t.Fatalf("%v: %x, %v", n, der, err)
		}
		seen[n.String()] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d different", len(seen))
	}
}
