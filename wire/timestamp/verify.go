package timestamp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// ErrNotSigner says that a certificate is not the one that the token names as
// its signer's: try another.
var ErrNotSigner = errors.New("certificate is not the token's signer")

// essCertID names the signing certificate inside what it signs (ESSCertIDv2, RFC
// 5035 §4), so that nobody can put another certificate of the same key in place.
type essCertID struct {
	hash   crypto.Hash
	digest []byte
	issuer []byte // DER of the Name, with serial; nil: not said
	serial *big.Int
}

// parseSigningCertificate reads
//
//	SigningCertificateV2 ::= SEQUENCE { certs SEQUENCE OF ESSCertIDv2, policies SEQUENCE OPTIONAL }
//	ESSCertIDv2 ::= SEQUENCE { hashAlgorithm DEFAULT sha256, certHash OCTET STRING,
//	  issuerSerial SEQUENCE { issuer GeneralNames, serialNumber INTEGER } OPTIONAL }
//
// of which only the first certificate counts: "The first certificate identified …
// MUST be the certificate used to verify the signature."
func parseSigningCertificate(value cryptobyte.String) (id essCertID, err error) {
	bad := errors.New("no or malformed SigningCertificateV2")
	var body, certs, policies, cert, digest cryptobyte.String
	if !value.ReadASN1(&body, cbasn1.SEQUENCE) || !value.Empty() || !body.ReadASN1(&certs, cbasn1.SEQUENCE) ||
		!body.ReadOptionalASN1(&policies, nil, cbasn1.SEQUENCE) || !body.Empty() || !certs.ReadASN1(&cert, cbasn1.SEQUENCE) {
		return id, bad
	}
	id.hash = crypto.SHA256
	if cert.PeekASN1Tag(cbasn1.SEQUENCE) {
		var oid asn1.ObjectIdentifier
		if !readAlgorithm(&cert, &oid) {
			return id, bad
		}
		id.hash = hashOf(oid)
	}
	if id.hash == 0 || !cert.ReadASN1(&digest, cbasn1.OCTET_STRING) || len(digest) != id.hash.Size() {
		return id, bad
	}
	id.digest = digest
	if cert.Empty() {
		return id, nil
	}
	return id, id.readIssuerSerial(cert)
}

// readIssuerSerial: "The issuer … MUST contain only the … directoryName" (RFC
// 5035 §4).
func (id *essCertID) readIssuerSerial(cert cryptobyte.String) error {
	var seq, names, directory, name cryptobyte.String
	ok := cert.ReadASN1(&seq, cbasn1.SEQUENCE) && cert.Empty() && seq.ReadASN1(&names, cbasn1.SEQUENCE) &&
		names.ReadASN1(&directory, tagDirectoryName) && names.Empty() &&
		directory.ReadASN1Element(&name, cbasn1.SEQUENCE) && directory.Empty()
	if ok {
		id.serial, ok = readInteger(&seq)
	}
	if !ok || !seq.Empty() {
		return errors.New("malformed IssuerSerial")
	}
	id.issuer = name
	return nil
}

// tagDirectoryName is GeneralName's [4], EXPLICIT since Name is a CHOICE.
const tagDirectoryName = cbasn1.Tag(0x80 | 0x20 | 4)

// signatureAlgorithm is a signature algorithm of SignerInfo.
type signatureAlgorithm struct {
	oid  asn1.ObjectIdentifier
	hash crypto.Hash // that digestAlgorithm must be
	x509 x509.SignatureAlgorithm
}

// signatureAlgorithms: RFC 5754 (ECDSA, RSA with PKCS #1 v1.5) and RFC 8419,
// where Ed25519 goes with SHA-512 alone. rsaEncryption leaves the hash to
// digestAlgorithm.
var signatureAlgorithms = []signatureAlgorithm{
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, crypto.SHA256, x509.ECDSAWithSHA256},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, crypto.SHA384, x509.ECDSAWithSHA384},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, crypto.SHA512, x509.ECDSAWithSHA512},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, crypto.SHA256, x509.SHA256WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, crypto.SHA384, x509.SHA384WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, crypto.SHA512, x509.SHA512WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, crypto.SHA256, x509.SHA256WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, crypto.SHA384, x509.SHA384WithRSA},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, crypto.SHA512, x509.SHA512WithRSA},
	{asn1.ObjectIdentifier{1, 3, 101, 112}, crypto.SHA512, x509.PureEd25519},
}

// fits says whether a is for keys of this type.
func (a signatureAlgorithm) fits(public crypto.PublicKey) bool {
	switch public.(type) {
	case *ecdsa.PublicKey:
		return a.x509 == x509.ECDSAWithSHA256 || a.x509 == x509.ECDSAWithSHA384 || a.x509 == x509.ECDSAWithSHA512
	case *rsa.PublicKey:
		return a.x509 == x509.SHA256WithRSA || a.x509 == x509.SHA384WithRSA || a.x509 == x509.SHA512WithRSA
	default:
		return a.x509 == x509.PureEd25519
	}
}

// VerifySignature verifies that the key of leaf has signed the token, and that
// leaf is a timestamping certificate and the one that the token names. It does
// not verify leaf: whoever calls this must build its chain at t.Time. Errors:
// ErrNotSigner among others.
func (t *Token) VerifySignature(leaf *x509.Certificate) error {
	for _, step := range []func(*x509.Certificate) error{
		t.checkSigner, t.checkSigningCertificate, checkUsage, t.checkContent, t.checkAttributesSignature,
	} {
		if err := step(leaf); err != nil {
			return fmt.Errorf("verifying timestamp: %w", err)
		}
	}
	return nil
}

// Signer picks the certificate that the token names as its signer's; nil when it
// is not among them. It verifies nothing.
func (t *Token) Signer(among []*x509.Certificate) *x509.Certificate {
	for _, cert := range among {
		if t.checkSigner(cert) == nil {
			return cert
		}
	}
	return nil
}

func (t *Token) checkSigner(leaf *x509.Certificate) error {
	s := t.signer
	if s.keyID != nil {
		if !bytes.Equal(s.keyID, leaf.SubjectKeyId) {
			return ErrNotSigner
		}
		return nil
	}
	if !bytes.Equal(s.issuer, leaf.RawIssuer) || s.serial.Cmp(leaf.SerialNumber) != 0 {
		return ErrNotSigner
	}
	return nil
}

// checkSigningCertificate: "the ESSCertID/ESSCertIDv2 … MUST match" (RFC 5816
// §2.2.1).
func (t *Token) checkSigningCertificate(leaf *x509.Certificate) error {
	id := t.signer.attrs.certificate
	h := id.hash.New()
	h.Write(leaf.Raw)
	if subtle.ConstantTimeCompare(h.Sum(nil), id.digest) != 1 {
		return fmt.Errorf("signing certificate's hash differs: %w", ErrNotSigner)
	}
	if id.issuer != nil && (!bytes.Equal(id.issuer, leaf.RawIssuer) || id.serial.Cmp(leaf.SerialNumber) != 0) {
		return fmt.Errorf("signing certificate's issuer or serial differs: %w", ErrNotSigner)
	}
	return nil
}

// checkUsage: "The corresponding certificate MUST contain only one instance of
// the extended key usage field extension … with KeyPurposeID having value
// id-kp-timeStamping. This extension MUST be critical." (RFC 3161 §2.3)
func checkUsage(leaf *x509.Certificate) error {
	if !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}) || len(leaf.UnknownExtKeyUsage) > 0 {
		return errors.New("certificate is not for timestamping alone")
	}
	for _, ext := range leaf.Extensions {
		if ext.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 37}) && !ext.Critical {
			return errors.New("certificate's extended key usage is not critical")
		}
	}
	return nil
}

// checkContent: the messageDigest attribute is the hash of the content (RFC 5652
// §5.6).
func (t *Token) checkContent(*x509.Certificate) error {
	h := hashOf(t.signer.digestAlg).New()
	h.Write(t.content)
	if subtle.ConstantTimeCompare(h.Sum(nil), t.signer.attrs.messageDigest) != 1 {
		return errors.New("message digest differs from content")
	}
	return nil
}

func (t *Token) checkAttributesSignature(leaf *x509.Certificate) error {
	if _, err := sigalg.ForKey(leaf.PublicKey); err != nil {
		return err
	}
	hash := hashOf(t.signer.digestAlg)
	for _, a := range signatureAlgorithms {
		if a.oid.Equal(t.signer.sigAlg) && a.hash == hash {
			return leaf.CheckSignature(a.x509, t.signer.attrs.raw, t.signer.signature)
		}
	}
	return errors.New("signature algorithm is not supported with the digest algorithm")
}
