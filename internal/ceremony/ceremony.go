// SPDX-License-Identifier: Apache-2.0

package ceremony

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-sign/hallmark/trust"
)

// Root returns a self-signed root certificate for key. The specification
// recommends ECDSA P-384 and about ten years.
func Root(key crypto.Signer, organization, commonName string, validity trust.Validity) (*x509.Certificate, error) {
	template := &x509.Certificate{
		Subject:  pkix.Name{Organization: []string{organization}, CommonName: commonName},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true, MaxPathLen: 1,
	}
	cert, err := makeCertificate(template, template, key, key.Public(), validity)
	if err != nil {
		return nil, fmt.Errorf("making root certificate: %w", err)
	}
	return cert, nil
}

// Intermediate returns the certificate of the certificate authority, with the
// key pub, issued by root. The specification recommends the root's type of key
// and about three years.
func Intermediate(root *x509.Certificate, rootKey crypto.Signer, pub crypto.PublicKey, commonName string, validity trust.Validity) (*x509.Certificate, error) {
	template := &x509.Certificate{
		Subject:  pkix.Name{Organization: root.Subject.Organization, CommonName: commonName},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		// "Specify an Extended Key Usage for Code Signing"
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		IsCA:        true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	cert, err := issue(template, root, rootKey, pub, validity)
	if err != nil {
		return nil, fmt.Errorf("making intermediate certificate: %w", err)
	}
	return cert, nil
}

// Timestamping returns the certificate of the timestamp authority, with the key
// pub, issued by parent. sigstore-js accepts ECDSA keys only.
func Timestamping(parent *x509.Certificate, parentKey crypto.Signer, pub crypto.PublicKey, commonName string, validity trust.Validity) (*x509.Certificate, error) {
	template := &x509.Certificate{
		Subject:         pkix.Name{Organization: parent.Subject.Organization, CommonName: commonName},
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{timeStampingOnly()},
	}
	cert, err := issue(template, parent, parentKey, pub, validity)
	if err != nil {
		return nil, fmt.Errorf("making timestamping certificate: %w", err)
	}
	return cert, nil
}

// timeStampingOnly returns "only one instance of the extended key usage field
// extension […] with KeyPurposeID having value id-kp-timeStamping. This
// extension MUST be critical." (RFC 3161 §2.3)
func timeStampingOnly() pkix.Extension {
	return pkix.Extension{
		Id: []int{2, 5, 29, 37}, Critical: true,
		// SEQUENCE of the one OID 1.3.6.1.5.5.7.3.8
		Value: []byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08},
	}
}

// issue calls makeCertificate after checking that parent may issue such a
// certificate.
func issue(template, parent *x509.Certificate, parentKey crypto.Signer, pub crypto.PublicKey, validity trust.Validity) (*x509.Certificate, error) {
	if len(parent.SubjectKeyId) == 0 {
		return nil, errors.New("parent has no subject key identifier")
	}
	if template.IsCA && parent.MaxPathLen == 0 {
		return nil, errors.New("parent's path length allows no authority below it")
	}
	if validity.Start.Truncate(time.Second).Before(parent.NotBefore) || validity.End.After(parent.NotAfter) {
		return nil, errors.New("validity exceeds the parent's")
	}
	cert, err := makeCertificate(template, parent, parentKey, pub, validity)
	if err != nil {
		return nil, err
	}
	// An identical name would make the certificate look self-signed.
	if bytes.Equal(cert.RawSubject, cert.RawIssuer) {
		return nil, errors.New("name is that of the parent")
	}
	return cert, verify(cert, parent)
}

// verify verifies the new certificate with the standard library.
func verify(cert, parent *x509.Certificate) error {
	roots := x509.NewCertPool()
	roots.AddCert(parent)
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: roots, CurrentTime: cert.NotBefore, KeyUsages: slices.Clone(cert.ExtKeyUsage),
	})
	return err
}
