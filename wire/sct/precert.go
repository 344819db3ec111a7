// SPDX-License-Identifier: Apache-2.0

package sct

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The certificate extensions of RFC 6962, as DER of their OIDs.
//
//	1.3.6.1.4.1.11129.2.4.2  §3.3: the SCT list
//	1.3.6.1.4.1.11129.2.4.3  §3.1: critical poison, makes a precertificate useless
const (
	derOIDList   = "\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02"
	derOIDPoison = "\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03"
)

// OIDList returns the OID of the extension with a certificate's SCT list.
func OIDList() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
}

// OIDPoison returns the OID of the critical extension, with the value NULL,
// that marks a precertificate.
func OIDPoison() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3}
}

// Embedded returns the timestamps inside cert: nil, nil if there are none.
func Embedded(cert *x509.Certificate) ([]SCT, error) {
	var scts []SCT
	for _, ext := range cert.Extensions {
		if !ext.Id.Equal(OIDList()) {
			continue
		}
		if scts != nil {
			return nil, errors.New("certificate has two SCT lists")
		}
		var err error
		if scts, err = ParseList(ext.Value); err != nil {
			return nil, err
		}
	}
	return scts, nil
}

// A Precert is the part of a precertificate that a log signs (RFC 6962 §3.2,
// PreCert).
type Precert struct {
	IssuerKeyHash [32]byte // SHA-256 of the issuer's SubjectPublicKeyInfo
	TBS           []byte   // TBSCertificate without poison and SCT list
}

// NewPrecert returns the entry for cert, which may be the precertificate or the
// final certificate; the result is the same. It does not verify that issuer
// signed cert.
func NewPrecert(cert, issuer *x509.Certificate) (Precert, error) {
	tbs, err := PrecertTBS(cert.RawTBSCertificate)
	if err != nil {
		return Precert{}, err
	}
	return Precert{IssuerKeyHash: sha256.Sum256(issuer.RawSubjectPublicKeyInfo), TBS: tbs}, nil
}

// PrecertTBS returns rawTBS, a DER TBSCertificate, without the poison and SCT
// list extensions and otherwise unchanged (RFC 6962 §3.2).
func PrecertTBS(rawTBS []byte) ([]byte, error) {
	tbs, err := precertTBS(rawTBS)
	if err != nil {
		return nil, fmt.Errorf("making precertificate entry: %w", err)
	}
	return tbs, nil
}

func precertTBS(rawTBS []byte) ([]byte, error) {
	tagExtensions := cbasn1.Tag(3).Constructed().ContextSpecific()
	in := cryptobyte.String(rawTBS)
	var fields cryptobyte.String
	if !in.ReadASN1(&fields, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, errors.New("TBSCertificate is not one DER SEQUENCE")
	}
	var before []byte // every field before the extensions, which come last
	for !fields.Empty() {
		var field cryptobyte.String
		var tag cbasn1.Tag
		if !fields.ReadAnyASN1Element(&field, &tag) {
			return nil, errors.New("malformed field of TBSCertificate")
		}
		if tag != tagExtensions {
			before = append(before, field...)
			continue
		}
		if !fields.Empty() {
			return nil, errors.New("field after the extensions")
		}
		kept, err := withoutCT(field, tagExtensions)
		if err != nil {
			return nil, err
		}
		before = append(before, kept...)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(before) })
	return b.Bytes()
}

// withoutCT returns the extensions field without the two CT extensions. It
// returns nothing if no extension is left ("SIZE (1..MAX)", RFC 5280 §4.1).
func withoutCT(field cryptobyte.String, tag cbasn1.Tag) ([]byte, error) {
	var explicit, extensions cryptobyte.String
	if !field.ReadASN1(&explicit, tag) || !explicit.ReadASN1(&extensions, cbasn1.SEQUENCE) || !explicit.Empty() {
		return nil, errors.New("malformed extensions")
	}
	var kept []byte
	var lists, poisons int
	for !extensions.Empty() {
		var extension, body cryptobyte.String
		if !extensions.ReadASN1Element(&extension, cbasn1.SEQUENCE) {
			return nil, errors.New("malformed extension")
		}
		whole := extension
		if !extension.ReadASN1(&body, cbasn1.SEQUENCE) {
			return nil, errors.New("malformed extension")
		}
		switch {
		case bytes.HasPrefix(body, []byte(derOIDList)):
			lists++
		case bytes.HasPrefix(body, []byte(derOIDPoison)):
			poisons++
		default:
			kept = append(kept, whole...)
		}
	}
	if lists > 1 || poisons > 1 {
		return nil, errors.New("duplicate CT extension")
	}
	if len(kept) == 0 {
		return nil, nil
	}
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(kept) })
	})
	return b.Bytes()
}
