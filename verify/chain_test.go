// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
)

func TestCertificateAtTheTime(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	for name, c := range map[string]struct {
		at   time.Time
		code verify.Code
	}{
		"first second": {signedAt.Add(-time.Minute), ""},
		"last second":  {signedAt.Add(9 * time.Minute), ""},
		"too early":    {signedAt.Add(-time.Minute - time.Second), verify.CertificateExpired},
		"too late":     {signedAt.Add(9*time.Minute + time.Second), verify.CertificateExpired},
	} {
		_, err := v.Verify(in.sign(t, artifact, order{at: c.at}), fromBytes(artifact), trustAlice)
		if c.code == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if c.code != "" {
			t.Run(name, func(t *testing.T) { refused(t, err, verify.StepChain, c.code) })
		}
	}
	// Every time must be valid, not only the first.
	b := in.sign(t, artifact, order{})
	b.Timestamps = append(b.Timestamps, in.tsas[1].stamp(t, b.Signature(), signedAt.Add(time.Hour), false))
	_, err := v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepChain, verify.CertificateExpired)
}

func TestOtherAuthorities(t *testing.T) {
	in, foreign := newInstance(t, "example.com"), newInstance(t, "example.net")
	v := in.verifier(t)

	_, err := v.Verify(foreign.sign(t, artifact, order{}), fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepTimes, verify.OtherInstance)
	// Only the certificate is from another instance.
	_, err = v.Verify(in.sign(t, artifact, order{ca: &foreign.intermediate}), fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepChain, verify.ChainUntrusted)

	// An authority with the names and key identifier of the trusted one.
	double := issue(t, caTemplate("example.com intermediate"), fixedKey(t, "double"), &foreign.ca)
	double.cert.SubjectKeyId = in.intermediate.cert.SubjectKeyId
	_, err = v.Verify(in.sign(t, artifact, order{ca: &double}), fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepChain, verify.ChainUntrusted)

	// The trusted one, when its time in the root was over.
	root := *in.root
	root.CertificateAuthorities = []trust.Authority{in.root.CertificateAuthorities[0]}
	root.CertificateAuthorities[0].Validity.End = signedAt.Add(-time.Second)
	_, err = testkit.Must(verify.New(&root))(t).Verify(in.sign(t, artifact, order{}), fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepChain, verify.ChainUntrusted)
	root.CertificateAuthorities[0].Validity.End = signedAt
	if _, err = testkit.Must(verify.New(&root))(t).Verify(in.sign(t, artifact, order{}), fromBytes(artifact), trustAlice); err != nil {
		t.Errorf("windows include their end: %v", err)
	}
}

// TestEmbeddedChain checks that roots and intermediates that are only in an old bundle's chain
// are not trusted. Otherwise an authority could not be dropped.
func TestEmbeddedChain(t *testing.T) {
	in, foreign := newInstance(t, "example.com"), newInstance(t, "example.net")
	v := in.verifier(t)
	b := in.sign(t, artifact, order{ca: &foreign.intermediate})
	b.Version = bundle.V02
	b.Certificates = append(b.Certificates, foreign.intermediate.cert.Raw, foreign.ca.cert.Raw)
	_, err := v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepChain, verify.ChainUntrusted)

	second := issue(t, caTemplate("second intermediate"), fixedKey(t, "second"), &in.ca)
	b = in.sign(t, artifact, order{ca: &second})
	_, err = v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepChain, verify.ChainUntrusted)
	b.Version = bundle.V02
	b.Certificates = append(b.Certificates, second.cert.Raw, in.ca.cert.Raw)
	_, err = v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepChain, verify.ChainUntrusted)

	b = in.sign(t, artifact, order{})
	b.Version = bundle.V02
	b.Certificates = append(b.Certificates, in.intermediate.cert.Raw, in.ca.cert.Raw)
	if _, err := v.Verify(b, fromBytes(artifact), trustAlice); err != nil {
		t.Errorf("chain of the root's own: %v", err)
	}
	b.Certificates[1] = []byte{1}
	_, err = v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepShape, verify.Malformed)
}

// TestCertificateUsage checks that certificates for other usages than code signing are refused.
func TestCertificateUsage(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	for name, change := range map[string]func(*x509.Certificate){
		"no usage":       func(c *x509.Certificate) { c.ExtKeyUsage = nil },
		"for servers":    func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
		"for encryption": func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment },
		"unknown extension": func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: []int{1, 2, 3}, Critical: true})
		},
	} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(3), NotBefore: signedAt, NotAfter: signedAt, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, ExtraExtensions: testkit.Must(alice.Extensions())(t),
		}
		change(template)
		b := in.sign(t, artifact, order{})
		b.Certificates[0] = issue(t, template, fixedKey(t, "signer"), &in.intermediate).cert.Raw
		_, err := v.Verify(b, fromBytes(artifact), trustAlice)
		t.Run(name, func(t *testing.T) { refused(t, err, verify.StepChain, verify.ChainUntrusted) })
	}
	// An authority's own certificate signs no artifacts.
	b := in.sign(t, artifact, order{})
	b.Certificates[0] = in.ca.cert.Raw
	_, err := v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepChain, verify.ChainUntrusted)
}

func TestSCT(t *testing.T) {
	in, foreign := newInstance(t, "example.com"), newInstance(t, "example.net")
	v := in.verifier(t)
	without := in.sign(t, artifact, order{noSCT: true})
	_, err := v.Verify(without, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepSCT, verify.SCTMissing)
	policy := trustAlice
	policy.SkipSCTUnsafe = true
	if _, err := v.Verify(without, fromBytes(artifact), policy); err != nil {
		t.Errorf("skipped: %v", err)
	}
	elsewhere := *in
	elsewhere.ct = foreign.ct
	_, err = v.Verify(elsewhere.sign(t, artifact, order{}), fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepSCT, verify.SCTMissing)

	b := in.sign(t, artifact, order{})
	root := *in.root
	root.CTLogs = []trust.Log{in.root.CTLogs[0]}
	root.CTLogs[0].Validity.End = signedAt.Add(-time.Millisecond)
	_, err = testkit.Must(verify.New(&root))(t).Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepSCT, verify.SCTMissing)
	root.CTLogs[0] = in.root.CTLogs[0]
	root.CTLogs[0].Key = foreign.ct.Public()
	_, err = testkit.Must(verify.New(&root))(t).Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepSCT, verify.SCTInvalid)

	// The promise for another certificate.
	other := in.certify(t, in.complete(t, order{key: fixedKey(t, "other")}))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), NotBefore: signedAt, NotAfter: signedAt.Add(time.Minute),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, ExtraExtensions: testkit.Must(alice.Extensions())(t),
	}
	template.ExtraExtensions = append(template.ExtraExtensions, other.Extensions[len(other.Extensions)-1])
	b.Certificates[0] = issue(t, template, fixedKey(t, "signer"), &in.intermediate).cert.Raw
	_, err = v.Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepSCT, verify.SCTInvalid)
}
