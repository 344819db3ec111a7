// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// fulcioOID returns the OID of the extension with this last arc.
func fulcioOID(arc int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, arc}
}

// FromCertificate returns the identity in a certificate. It does not verify the
// certificate. Unknown extensions of the Fulcio arc are ignored, since the
// specification may add some.
func FromCertificate(c *x509.Certificate) (Identity, error) {
	id, err := fromCertificate(c)
	if err != nil {
		return Identity{}, fmt.Errorf("reading identity of certificate: %w", err)
	}
	return id, nil
}

func fromCertificate(c *x509.Certificate) (id Identity, err error) {
	if id.Subject, err = subjectOf(c); err != nil {
		return Identity{}, err
	}
	if id.Issuer, err = issuerOf(c); err != nil {
		return Identity{}, err
	}
	for _, f := range buildFields {
		if *f.value(&id.Build), err = text(c, f.arc, f.raw); err != nil {
			return Identity{}, err
		}
	}
	return id, nil
}

// issuerOf reads .8 and its deprecated form .1. Certificates issued before 2022
// have only .1.
func issuerOf(c *x509.Certificate) (string, error) {
	issuer, err := text(c, arcIssuer, false)
	if err != nil {
		return "", err
	}
	raw, err := text(c, arcIssuerRaw, true)
	if err != nil {
		return "", err
	}
	switch {
	case issuer == "" && raw == "":
		return "", errors.New("no issuer")
	case issuer == "":
		issuer = raw
	case raw != "" && raw != issuer:
		return "", errors.New("issuer extensions .1 and .8 differ")
	}
	return issuer, checkName(issuer)
}

// text returns the string of one extension, which is empty if it is absent.
func text(c *x509.Certificate, arc int, raw bool) (string, error) {
	ext, err := extension(c, fulcioOID(arc))
	if ext == nil || err != nil {
		return "", err
	}
	value := cryptobyte.String(ext.Value)
	if !raw {
		der := value
		if !der.ReadASN1(&value, cbasn1.UTF8String) || !der.Empty() {
			return "", fmt.Errorf("extension %v is not one DER UTF8String", ext.Id)
		}
	}
	if err := checkText(string(value)); err != nil {
		return "", fmt.Errorf("extension %v: %w", ext.Id, err)
	}
	return string(value), nil
}

// extension returns the extension with this OID, or nil if there is none. It
// refuses a second one.
func extension(c *x509.Certificate, oid asn1.ObjectIdentifier) (*pkix.Extension, error) {
	var found *pkix.Extension
	for i := range c.Extensions {
		if !c.Extensions[i].Id.Equal(oid) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("duplicate extension %v", found.Id)
		}
		found = &c.Extensions[i]
	}
	return found, nil
}

// checkText refuses text that a terminal, a log or a C string may show
// differently than it compares.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("text is not UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("control character %U", r)
		}
	}
	return nil
}

// checkName checks a subject or an issuer like checkText. People compare these
// by eye, so control characters that change the direction of writing are
// refused too.
func checkName(s string) error {
	if s == "" {
		return errors.New("empty name")
	}
	for _, r := range s {
		if unicode.Is(unicode.Bidi_Control, r) {
			return fmt.Errorf("direction control character %U", r)
		}
	}
	return checkText(s)
}

// Extensions returns the certificate extensions for id: the critical subject
// alternative name ("MUST … be critical", for the subject is empty), the issuer
// as .1 and .8, and the fields of Build that are set. It refuses an identity
// that [FromCertificate] would refuse.
func (id Identity) Extensions() ([]pkix.Extension, error) {
	exts, err := id.extensions()
	if err != nil {
		return nil, fmt.Errorf("writing identity into certificate: %w", err)
	}
	return exts, nil
}

func (id Identity) extensions() ([]pkix.Extension, error) {
	san, err := id.Subject.extension()
	if err != nil {
		return nil, err
	}
	if err := checkName(id.Issuer); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	exts := []pkix.Extension{
		san,
		{Id: fulcioOID(arcIssuerRaw), Value: []byte(id.Issuer)},
		{Id: fulcioOID(arcIssuer), Value: utf8String(id.Issuer)},
	}
	for _, f := range buildFields {
		v := *f.value(&id.Build)
		if v == "" {
			continue
		}
		if err := checkText(v); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		ext := pkix.Extension{Id: fulcioOID(f.arc), Value: []byte(v)}
		if !f.raw {
			ext.Value = utf8String(v)
		}
		exts = append(exts, ext)
	}
	return exts, nil
}

// utf8String returns s as a DER UTF8String.
func utf8String(s string) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
	return b.BytesOrPanic() // fails for 4 GiB and more, which no string here has
}
