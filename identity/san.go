// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/url"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var oidSAN = asn1.ObjectIdentifier{2, 5, 29, 17}

// Tags of GeneralName (RFC 5280 §4.2.1.6, implicit tags).
const (
	tagEmail = cbasn1.Tag(0x80 | 1) // rfc822Name [1]
	tagURI   = cbasn1.Tag(0x80 | 6) // uniformResourceIdentifier [6]
	tagOther = cbasn1.Tag(0xa0)     // otherName [0], and the [0] EXPLICIT inside it
)

// maxName bounds a subject, in bytes.
const maxName = 4096

// subjectOf returns the only subject alternative name of a certificate.
func subjectOf(c *x509.Certificate) (Subject, error) {
	ext, err := extension(c, oidSAN)
	if err != nil {
		return Subject{}, err
	}
	if ext == nil {
		return Subject{}, errors.New("no subject alternative name")
	}
	s, err := parseSAN(ext.Value)
	if err != nil {
		return Subject{}, fmt.Errorf("subject alternative name: %w", err)
	}
	return s, nil
}

// parseSAN parses GeneralNames with exactly one name. With two, each reader
// could choose another.
func parseSAN(der []byte) (Subject, error) {
	s := cryptobyte.String(der)
	var names, value cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadASN1(&names, cbasn1.SEQUENCE) || !s.Empty() {
		return Subject{}, errors.New("not DER GeneralNames")
	}
	if !names.ReadAnyASN1(&value, &tag) {
		return Subject{}, errors.New("no name")
	}
	if !names.Empty() {
		return Subject{}, errors.New("several names, want one")
	}
	var subject Subject
	switch tag {
	case tagEmail:
		subject = Subject{Email, string(value)}
	case tagURI:
		subject = Subject{URI, string(value)}
	case tagOther:
		name, err := parseUsername(value)
		if err != nil {
			return Subject{}, err
		}
		subject = Subject{Username, name}
	default:
		return Subject{}, fmt.Errorf("name with tag %#x is neither email, URI nor username", uint8(tag))
	}
	return subject, subject.check()
}

// parseUsername parses OtherName { type-id 57264.1.7, value [0] EXPLICIT
// UTF8String }.
func parseUsername(s cryptobyte.String) (string, error) {
	var id asn1.ObjectIdentifier
	var explicit, text cryptobyte.String
	if !s.ReadASN1ObjectIdentifier(&id) || !id.Equal(fulcioOID(arcUsername)) {
		return "", errors.New("other name is not a Fulcio username")
	}
	if !s.ReadASN1(&explicit, tagOther) || !s.Empty() ||
		!explicit.ReadASN1(&text, cbasn1.UTF8String) || !explicit.Empty() {
		return "", errors.New("username is not a DER UTF8String")
	}
	return string(text), nil
}

// extension returns the subject in the form that parseSAN reads.
func (s Subject) extension() (pkix.Extension, error) {
	if err := s.check(); err != nil {
		return pkix.Extension{}, fmt.Errorf("subject alternative name: %w", err)
	}
	value := []byte(s.Value)
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		switch s.Type {
		case Email:
			b.AddASN1(tagEmail, func(b *cryptobyte.Builder) { b.AddBytes(value) })
		case URI:
			b.AddASN1(tagURI, func(b *cryptobyte.Builder) { b.AddBytes(value) })
		case Username:
			b.AddASN1(tagOther, func(b *cryptobyte.Builder) { addUsername(b, value) })
		}
	})
	der, err := b.Bytes()
	return pkix.Extension{Id: oidSAN, Critical: true, Value: der}, err
}

func addUsername(b *cryptobyte.Builder, value []byte) {
	b.AddASN1ObjectIdentifier(fulcioOID(arcUsername))
	b.AddASN1(tagOther, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes(value) })
	})
}

// check refuses subjects that a certificate can't contain: RFC 5280 requires
// IA5String for email and URI, and a URI there "MUST NOT be a relative URI".
func (s Subject) check() error {
	if err := checkName(s.Value); err != nil {
		return err
	}
	if len(s.Value) > maxName {
		return fmt.Errorf("%d bytes, at most %d", len(s.Value), maxName)
	}
	switch s.Type {
	case Username:
		return nil
	case Email, URI:
	default:
		return fmt.Errorf("unknown subject type %d", int(s.Type))
	}
	for i := range len(s.Value) {
		if s.Value[i] > 0x7e {
			return fmt.Errorf("%s is not ASCII", s.Type)
		}
	}
	if s.Type == Email {
		return nil
	}
	u, err := url.Parse(s.Value)
	if err != nil || !u.IsAbs() {
		return errors.New("URI is not absolute")
	}
	return nil
}
