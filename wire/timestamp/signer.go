// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A signerInfo is a SignerInfo (RFC 5652 §5.3).
type signerInfo struct {
	sid        issuerSerial // zero when keyID is set
	keyID      []byte
	digest     crypto.Hash
	attributes []byte // DER of the signed attributes, with the tag of SET
	algorithm  asn1.ObjectIdentifier
	signature  []byte

	messageDigest []byte
	certIDs       []essCertID // one or two, see readSigningCertificates
}

// An issuerSerial identifies a certificate.
type issuerSerial struct {
	issuer []byte // DER Name
	serial *big.Int
}

// An essCertID is an ESSCertIDv2 (RFC 5035 §4) or, with SHA-1, an ESSCertID
// (RFC 2634 §5.4).
type essCertID struct {
	hash  crypto.Hash
	value []byte
	name  *issuerSerial // nil if absent
}

func readSigner(in *cryptobyte.String) (signerInfo, error) {
	var s signerInfo
	var body, attributes, signature cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) {
		return s, errors.New("malformed")
	}
	err := s.readIdentifier(&body)
	if err != nil {
		return s, err
	}
	if s.digest, err = readDigestAlgorithm(&body); err != nil {
		return s, err
	}
	signed := cbasn1.Tag(0).ContextSpecific().Constructed()
	if !body.ReadASN1Element(&attributes, signed) {
		return s, errors.New("no signed attributes")
	}
	// "the DER encoding of the SET OF tag, rather than of the IMPLICIT [0]
	// tag, is to be included in the message digest" (RFC 5652 §5.4)
	s.attributes = bytes.Clone(attributes)
	s.attributes[0] = byte(cbasn1.SET)
	if !attributes.ReadASN1(&attributes, signed) {
		return s, errors.New("signed attributes are malformed")
	}
	if err := s.readAttributes(attributes); err != nil {
		return s, fmt.Errorf("signed attributes: %w", err)
	}
	if !readAlgorithm(&body, &s.algorithm) || !body.ReadASN1(&signature, cbasn1.OCTET_STRING) ||
		!body.SkipOptionalASN1(cbasn1.Tag(1).ContextSpecific().Constructed()) || !body.Empty() {
		return s, errors.New("signature is malformed")
	}
	s.signature = signature
	return s, nil
}

// readIdentifier reads the version and the SignerIdentifier.
func (s *signerInfo) readIdentifier(in *cryptobyte.String) error {
	var version int
	if !in.ReadASN1Integer(&version) {
		return errors.New("version is malformed")
	}
	// "If the SignerIdentifier is the CHOICE issuerAndSerialNumber, then the
	// version MUST be 1. If [it] is subjectKeyIdentifier, […] 3."
	switch version {
	case 1:
		var body, name cryptobyte.String
		if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Element(&name, cbasn1.SEQUENCE) {
			return errors.New("issuer is malformed")
		}
		serial, err := readOptionalInteger(&body)
		if err != nil || serial == nil || !body.Empty() {
			return errors.New("serial number is malformed")
		}
		s.sid = issuerSerial{name, serial}
	case 3:
		var keyID cryptobyte.String
		if !in.ReadASN1(&keyID, cbasn1.Tag(0).ContextSpecific()) || len(keyID) == 0 {
			return errors.New("key identifier is malformed")
		}
		s.keyID = keyID
	default:
		return fmt.Errorf("version %d, want 1 or 3", version)
	}
	return nil
}

// readAttributes reads the three attributes that a token must have, each once.
// Other attributes are covered by the signature but ignored. The set must be in
// DER order.
func (s *signerInfo) readAttributes(in cryptobyte.String) error {
	var previous []byte
	found := map[string]cryptobyte.String{}
	for !in.Empty() {
		var element, attribute, values cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !in.ReadASN1Element(&element, cbasn1.SEQUENCE) || bytes.Compare(previous, element) >= 0 {
			return errors.New("malformed or not in DER order")
		}
		previous = element
		if !element.ReadASN1(&attribute, cbasn1.SEQUENCE) || !readOID(&attribute, &oid) ||
			!attribute.ReadASN1(&values, cbasn1.SET) || !attribute.Empty() {
			return errors.New("malformed")
		}
		if _, twice := found[oid.String()]; twice {
			return fmt.Errorf("attribute %v occurs twice", oid)
		}
		found[oid.String()] = values
	}
	if err := s.readKnown(found[oidContentType.String()], found[oidMessageDigest.String()]); err != nil {
		return err
	}
	return s.readSigningCertificates(found)
}

func (s *signerInfo) readKnown(contentType, digest cryptobyte.String) error {
	var oid asn1.ObjectIdentifier
	if !readOID(&contentType, &oid) || !contentType.Empty() || !oid.Equal(oidTSTInfo) {
		return errors.New("content type is missing or not time-stamp info")
	}
	var value cryptobyte.String
	if !digest.ReadASN1(&value, cbasn1.OCTET_STRING) || !digest.Empty() {
		return errors.New("message digest is missing or malformed")
	}
	s.messageDigest = value
	return nil
}

// readSigningCertificates reads the attributes that name the signer's
// certificate. Version 1 uses SHA-1, version 2 any hash: "Both ESSCertID and
// ESSCertIDv2 identifiers can be used" (RFC 5816 §2.2.1). SHA-1 is acceptable
// here because the hash only selects the certificate; the signature is the
// proof. If both versions are present, both must match.
func (s *signerInfo) readSigningCertificates(found map[string]cryptobyte.String) error {
	for _, v := range []struct {
		oid  asn1.ObjectIdentifier
		read func(*essCertID, *cryptobyte.String) error
	}{{oidSigningCertificateV2, (*essCertID).readV2}, {oidSigningCertificate, (*essCertID).readV1}} {
		certificate, ok := found[v.oid.String()]
		if !ok {
			continue
		}
		var signing, ids cryptobyte.String
		if !certificate.ReadASN1(&signing, cbasn1.SEQUENCE) || !certificate.Empty() ||
			!signing.ReadASN1(&ids, cbasn1.SEQUENCE) ||
			!signing.SkipOptionalASN1(cbasn1.SEQUENCE) || !signing.Empty() {
			return errors.New("signing certificate is malformed")
		}
		// "The first certificate identified in the sequence of certificate
		// identifiers MUST be the certificate used to verify the signature."
		var id essCertID
		if err := v.read(&id, &ids); err != nil {
			return err
		}
		s.certIDs = append(s.certIDs, id)
	}
	if len(s.certIDs) == 0 {
		return errors.New("no signing certificate")
	}
	return nil
}

// readV2 reads an ESSCertIDv2, whose hash algorithm is SHA-256 by default.
func (id *essCertID) readV2(in *cryptobyte.String) error {
	var body cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) {
		return errors.New("signing certificate is malformed")
	}
	id.hash = crypto.SHA256
	if body.PeekASN1Tag(cbasn1.SEQUENCE) {
		var err error
		if id.hash, err = readDigestAlgorithm(&body); err != nil {
			return err
		}
	}
	return id.readValue(body)
}

// readV1 reads an ESSCertID, whose hash is SHA-1.
func (id *essCertID) readV1(in *cryptobyte.String) error {
	var body cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) {
		return errors.New("signing certificate is malformed")
	}
	id.hash = crypto.SHA1
	return id.readValue(body)
}

// readValue reads hash and name, which both versions encode alike.
func (id *essCertID) readValue(body cryptobyte.String) error {
	var value cryptobyte.String
	if !body.ReadASN1(&value, cbasn1.OCTET_STRING) || len(value) != id.hash.Size() {
		return errors.New("signing certificate's hash is malformed")
	}
	id.value = value
	if body.Empty() {
		return nil
	}
	return id.readName(&body)
}

// readName reads an IssuerSerial with one directoryName.
func (id *essCertID) readName(in *cryptobyte.String) error {
	var body, names, directory, name cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() ||
		!body.ReadASN1(&names, cbasn1.SEQUENCE) ||
		!names.ReadASN1(&directory, cbasn1.Tag(4).ContextSpecific().Constructed()) || !names.Empty() ||
		!directory.ReadASN1Element(&name, cbasn1.SEQUENCE) || !directory.Empty() {
		return errors.New("signing certificate's issuer is malformed")
	}
	serial, err := readOptionalInteger(&body)
	if err != nil || serial == nil || !body.Empty() {
		return errors.New("signing certificate's serial number is malformed")
	}
	id.name = &issuerSerial{name, serial}
	return nil
}
