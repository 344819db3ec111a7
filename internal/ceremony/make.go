// SPDX-License-Identifier: Apache-2.0

package ceremony

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// makeCertificate adds the fields common to all certificates and signs.
// x509.CreateCertificate generates a serial number of 20 random octets, without
// the sign bit, and the authority key identifier.
func makeCertificate(template, parent *x509.Certificate, key crypto.Signer, pub crypto.PublicKey, validity trust.Validity) (*x509.Certificate, error) {
	if err := check(template, validity); err != nil {
		return nil, err
	}
	if _, err := sigalg.ForKey(pub); err != nil {
		return nil, err
	}
	id, err := keyID(pub)
	if err != nil {
		return nil, err
	}
	template.SubjectKeyId = id
	template.NotBefore, template.NotAfter = validity.Start.UTC(), validity.End.UTC()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func check(template *x509.Certificate, validity trust.Validity) error {
	name := template.Subject
	if name.CommonName == "" || len(name.Organization) != 1 || name.Organization[0] == "" {
		return errors.New("common name or organization is missing")
	}
	if validity.Start.IsZero() || !validity.End.After(validity.Start) {
		return errors.New("validity does not start, or ends before it starts")
	}
	return nil
}

// keyID returns an identifier "composed of the leftmost 160-bits of the SHA-256
// hash of the value of the BIT STRING subjectPublicKey" (RFC 7093 §2).
func keyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("identifying key: %w", err)
	}
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("identifying key: %w", err)
	}
	sum := sha256.Sum256(info.Key.Bytes)
	return sum[:20], nil
}
