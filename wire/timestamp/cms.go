package timestamp

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Limits on what a token may hold.
const (
	maxCertificates = 16
	maxAttributes   = 16
)

// Tags of SignedData and SignerInfo, all IMPLICIT but for the two contents.
const (
	tagContent         = cbasn1.Tag(0x80 | 0x20 | 0) // EXPLICIT
	tagCertificates    = cbasn1.Tag(0x80 | 0x20 | 0)
	tagCRLs            = cbasn1.Tag(0x80 | 0x20 | 1)
	tagKeyID           = cbasn1.Tag(0x80 | 0)
	tagSignedAttrs     = cbasn1.Tag(0x80 | 0x20 | 0)
	tagUnsignedAttrs   = cbasn1.Tag(0x80 | 0x20 | 1)
	versionSignedData  = 3 // "if eContentType … is other than id-data … version MUST be 3"
	versionByIssuer    = 1 // SignerInfo with issuerAndSerialNumber
	versionByKeyID     = 3 // SignerInfo with subjectKeyIdentifier
	maxSubjectKeyID    = 64
	maxSignature       = 1024
	maxSignedAttrBytes = 16 << 10
)

// signedData is the SignedData of a token (RFC 5652 §5.1) with its one signer.
type signedData struct {
	content      []byte   // eContent
	certificates [][]byte // DER
	signer       signerInfo
}

// signerInfo is whose signature it is and over what (RFC 5652 §5.3).
type signerInfo struct {
	issuer    []byte // DER of the Name, with serial; or keyID
	serial    *big.Int
	keyID     []byte
	digestAlg asn1.ObjectIdentifier
	attrs     signedAttrs
	sigAlg    asn1.ObjectIdentifier
	signature []byte
}

// signedAttrs are the attributes that a token must have (RFC 3161 §2.4.2).
type signedAttrs struct {
	raw           []byte // as signed: DER with the SET tag
	messageDigest []byte
	certificate   essCertID
}

// parseSignedData reads
//
//	ContentInfo ::= SEQUENCE { contentType signedData, content [0] EXPLICIT SignedData }
//	SignedData ::= SEQUENCE { version, digestAlgorithms SET, encapContentInfo,
//	  certificates [0] IMPLICIT OPTIONAL, crls [1] IMPLICIT OPTIONAL, signerInfos SET }
func parseSignedData(der cryptobyte.String) (d signedData, err error) {
	var info, explicit, body, digestAlgs, encap, crls, signers, signer cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !der.ReadASN1(&info, cbasn1.SEQUENCE) || !der.Empty() {
		return d, errors.New("not one DER SEQUENCE")
	}
	if !readOID(&info, &oid) || !oid.Equal(oidSignedData()) {
		return d, errors.New("content type is not signedData")
	}
	if !info.ReadASN1(&explicit, tagContent) || !info.Empty() || !explicit.ReadASN1(&body, cbasn1.SEQUENCE) || !explicit.Empty() {
		return d, errors.New("malformed SignedData")
	}
	var version int
	if !body.ReadASN1Integer(&version) || version != versionSignedData {
		return d, errors.New("SignedData is not of version 3")
	}
	if !body.ReadASN1(&digestAlgs, cbasn1.SET) || !body.ReadASN1(&encap, cbasn1.SEQUENCE) {
		return d, errors.New("malformed SignedData")
	}
	if d.content, err = parseContent(encap); err != nil {
		return d, err
	}
	if d.certificates, err = readCertificates(&body); err != nil {
		return d, err
	}
	if !body.ReadOptionalASN1(&crls, nil, tagCRLs) || !body.ReadASN1(&signers, cbasn1.SET) || !body.Empty() {
		return d, errors.New("malformed SignedData")
	}
	// "The time-stamp token MUST NOT contain any signatures other than the
	// signature of the TSA."
	if !signers.ReadASN1(&signer, cbasn1.SEQUENCE) || !signers.Empty() {
		return d, errors.New("not exactly one signer")
	}
	if d.signer, err = parseSigner(signer); err != nil {
		return d, fmt.Errorf("signer: %w", err)
	}
	return d, checkDigestAlgorithm(digestAlgs, d.signer.digestAlg)
}

// checkDigestAlgorithm: digestAlgorithms "list the message digest algorithms
// employed by all of the signers", of whom there is one.
func checkDigestAlgorithm(set cryptobyte.String, want asn1.ObjectIdentifier) error {
	var oid asn1.ObjectIdentifier
	if !readAlgorithm(&set, &oid) || !set.Empty() || !oid.Equal(want) {
		return errors.New("digest algorithms are not the signer's")
	}
	return nil
}

// parseContent reads EncapsulatedContentInfo { id-ct-TSTInfo, [0] OCTET STRING }.
func parseContent(encap cryptobyte.String) ([]byte, error) {
	var oid asn1.ObjectIdentifier
	var explicit, content cryptobyte.String
	if !readOID(&encap, &oid) || !oid.Equal(oidTSTInfo()) {
		return nil, errors.New("content is not TSTInfo")
	}
	if !encap.ReadASN1(&explicit, tagContent) || !encap.Empty() ||
		!explicit.ReadASN1(&content, cbasn1.OCTET_STRING) || !explicit.Empty() {
		return nil, errors.New("malformed content")
	}
	return content, nil
}

func readCertificates(body *cryptobyte.String) ([][]byte, error) {
	var set, cert cryptobyte.String
	if !body.ReadOptionalASN1(&set, nil, tagCertificates) {
		return nil, errors.New("malformed certificates")
	}
	var all [][]byte
	for !set.Empty() {
		if len(all) == maxCertificates {
			return nil, fmt.Errorf("more than %d certificates", maxCertificates)
		}
		if !set.ReadASN1Element(&cert, cbasn1.SEQUENCE) {
			return nil, errors.New("malformed certificates")
		}
		all = append(all, cert)
	}
	return all, nil
}

// parseSigner reads
//
//	SignerInfo ::= SEQUENCE { version, sid, digestAlgorithm, signedAttrs [0] IMPLICIT,
//	  signatureAlgorithm, signature OCTET STRING, unsignedAttrs [1] IMPLICIT OPTIONAL }
func parseSigner(info cryptobyte.String) (s signerInfo, err error) {
	if err := s.readID(&info); err != nil {
		return s, err
	}
	if !readAlgorithm(&info, &s.digestAlg) || hashOf(s.digestAlg) == 0 {
		return s, errors.New("digest algorithm is not SHA-256, SHA-384 or SHA-512")
	}
	var attrs, unsigned, signature cryptobyte.String
	if !info.ReadASN1Element(&attrs, tagSignedAttrs) || len(attrs) > maxSignedAttrBytes {
		return s, errors.New("no or malformed signed attributes")
	}
	if s.attrs, err = parseAttrs(attrs); err != nil {
		return s, fmt.Errorf("signed attributes: %w", err)
	}
	if !readAlgorithm(&info, &s.sigAlg) {
		return s, errors.New("malformed or unsupported signature algorithm")
	}
	if !info.ReadASN1(&signature, cbasn1.OCTET_STRING) || len(signature) > maxSignature {
		return s, errors.New("malformed signature")
	}
	s.signature = signature
	if !info.ReadOptionalASN1(&unsigned, nil, tagUnsignedAttrs) || !info.Empty() {
		return s, errors.New("trailing data")
	}
	return s, nil
}

// readID reads version and sid, which must agree.
func (s *signerInfo) readID(info *cryptobyte.String) error {
	var version int
	if !info.ReadASN1Integer(&version) {
		return errors.New("malformed version")
	}
	var id, name cryptobyte.String
	switch {
	case version == versionByIssuer && info.ReadASN1(&id, cbasn1.SEQUENCE):
		var ok bool
		if !id.ReadASN1Element(&name, cbasn1.SEQUENCE) {
			return errors.New("malformed issuer")
		}
		if s.serial, ok = readInteger(&id); !ok || !id.Empty() {
			return errors.New("malformed serial number")
		}
		s.issuer = name
	case version == versionByKeyID && info.ReadASN1(&id, tagKeyID) && len(id) <= maxSubjectKeyID:
		s.keyID = id
	default:
		return errors.New("version and signer identifier do not agree")
	}
	return nil
}

// parseAttrs reads the signed attributes. element has the tag [0]; "the DER
// encoding of the SET OF … rather than … the IMPLICIT [0] tag" is what is signed
// (RFC 5652 §5.4).
func parseAttrs(element cryptobyte.String) (a signedAttrs, err error) {
	a.raw = bytes.Clone(element)
	a.raw[0] = byte(cbasn1.SET)
	var set cryptobyte.String
	if !element.ReadASN1(&set, tagSignedAttrs) {
		return a, errors.New("malformed")
	}
	values, err := readAttrs(set)
	if err != nil {
		return a, err
	}
	// Equality of contentType with eContentType: RFC 5652 §11.1.
	var oid asn1.ObjectIdentifier
	value := values[oidContentType().String()]
	if !readOID(&value, &oid) || !value.Empty() || !oid.Equal(oidTSTInfo()) {
		return a, errors.New("content type is not TSTInfo")
	}
	var digest cryptobyte.String
	value = values[oidMessageDigest().String()]
	if !value.ReadASN1(&digest, cbasn1.OCTET_STRING) || !value.Empty() {
		return a, errors.New("no or malformed message digest")
	}
	a.messageDigest = digest
	a.certificate, err = parseSigningCertificate(values[oidSigningCertificateV2().String()])
	return a, err
}

// readAttrs gives the DER of each attribute's one value by its type. "The
// SignedAttributes … MUST NOT include multiple instances of" any type that we
// read (RFC 5652 §11); here that holds for all, and for their values.
func readAttrs(set cryptobyte.String) (map[string]cryptobyte.String, error) {
	values := map[string]cryptobyte.String{}
	for !set.Empty() {
		var attr, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !set.ReadASN1(&attr, cbasn1.SEQUENCE) || !readOID(&attr, &oid) ||
			!attr.ReadASN1(&value, cbasn1.SET) || !attr.Empty() {
			return nil, errors.New("malformed attribute")
		}
		if _, doubled := values[oid.String()]; doubled || len(values) == maxAttributes {
			return nil, errors.New("doubled or too many attributes")
		}
		values[oid.String()] = value
	}
	return values, nil
}
