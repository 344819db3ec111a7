// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

// minRSA is the shortest RSA key that may sign tokens, in bits.
const minRSA = 2048

// Signature algorithms that take the digest algorithm from the SignerInfo.
var (
	oidRSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}
)

// signatures lists the signature algorithms that specify their digest.
var signatures = []struct {
	oid   asn1.ObjectIdentifier
	ecdsa bool // else RSA PKCS #1 v1.5
	hash  crypto.Hash
}{
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, true, crypto.SHA256},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, true, crypto.SHA384},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, true, crypto.SHA512},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, false, crypto.SHA256},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, false, crypto.SHA384},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, false, crypto.SHA512},
}

// CheckImprint checks that the imprint of the token is the digest of message.
func (t *Token) CheckImprint(message []byte) error {
	if !bytes.Equal(digest(t.Hash, message), t.Imprint) {
		return errors.New("checking time-stamp imprint: not the message's digest")
	}
	return nil
}

// Names reports whether the token names leaf, by hash, as its signer's
// certificate. It selects among certificates; only VerifySignature proves
// anything.
func (t *Token) Names(leaf *x509.Certificate) bool { return t.signer.checkNames(leaf) == nil }

// VerifySignature verifies that leaf signed the token (RFC 5652 §5.6, RFC 5816 §2.2.1) and
// that leaf is for time-stamping only (RFC 3161 §2.3). It checks neither leaf's validity at
// Time nor its chain.
func (t *Token) VerifySignature(leaf *x509.Certificate) error {
	if err := checkLeaf(leaf); err != nil {
		return fmt.Errorf("verifying time-stamp: %w", err)
	}
	if err := t.signer.checkNames(leaf); err != nil {
		return fmt.Errorf("verifying time-stamp: %w", err)
	}
	if !bytes.Equal(digest(t.signer.digest, t.info), t.signer.messageDigest) {
		return errors.New("verifying time-stamp: message digest is not the content's")
	}
	if err := t.signer.verify(leaf.PublicKey); err != nil {
		return fmt.Errorf("verifying time-stamp: %w", err)
	}
	return nil
}

// checkLeaf checks that "the corresponding certificate [contains] only one
// instance of the extended key usage field extension […] with KeyPurposeID
// having value id-kp-timeStamping. This extension MUST be critical." The key is
// "reserved specifically for that purpose", so it issues no certificates.
func checkLeaf(leaf *x509.Certificate) error {
	critical := false
	for _, ext := range leaf.Extensions {
		critical = critical || ext.Critical && ext.Id.Equal(oidExtKeyUsage)
	}
	if !critical || len(leaf.UnknownExtKeyUsage) != 0 ||
		!slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}) {
		return errors.New("certificate is not for time-stamping alone, as a critical usage")
	}
	if leaf.IsCA {
		return errors.New("certificate belongs to an authority, not to a signer")
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return errors.New("certificate's key is not for signatures")
	}
	return nil
}

// checkNames checks that the signer identifier and all signing certificate
// attributes name leaf.
func (s *signerInfo) checkNames(leaf *x509.Certificate) error {
	if s.keyID != nil && !bytes.Equal(s.keyID, leaf.SubjectKeyId) {
		return errors.New("signer's key identifier is not the certificate's")
	}
	if s.keyID == nil && !s.sid.names(leaf) {
		return errors.New("signer is not the certificate's issuer and serial number")
	}
	for _, id := range s.certIDs {
		if !bytes.Equal(digest(id.hash, leaf.Raw), id.value) {
			return errors.New("signing certificate's hash is not the certificate's")
		}
		if id.name != nil && !id.name.names(leaf) {
			return errors.New("signing certificate is not the certificate's issuer and serial number")
		}
	}
	return nil
}

func (n issuerSerial) names(leaf *x509.Certificate) bool {
	return bytes.Equal(n.issuer, leaf.RawIssuer) && n.serial.Cmp(leaf.SerialNumber) == 0
}

// verify verifies the signature over the signed attributes.
func (s *signerInfo) verify(pub crypto.PublicKey) error {
	ok := false
	switch key := pub.(type) {
	case *ecdsa.PublicKey:
		hash, known := s.signatureHash(true)
		ok = known && ecdsa.VerifyASN1(key, digest(hash, s.attributes), s.signature)
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return errors.New("RSA key is shorter than 2048 bits")
		}
		hash, known := s.signatureHash(false)
		ok = known && rsa.VerifyPKCS1v15(key, hash, digest(hash, s.attributes), s.signature) == nil
	case ed25519.PublicKey:
		ok = s.algorithm.Equal(oidEd25519) && ed25519.Verify(key, s.attributes, s.signature)
	default:
		return fmt.Errorf("keys of type %T are not supported", key)
	}
	if !ok {
		return errors.New("signature is not by the certificate's key, or of another algorithm")
	}
	return nil
}

// signatureHash returns the digest algorithm of an ECDSA or RSA signature.
func (s *signerInfo) signatureHash(ecdsa bool) (crypto.Hash, bool) {
	for _, a := range signatures {
		if a.ecdsa == ecdsa && a.oid.Equal(s.algorithm) {
			return a.hash, true
		}
	}
	return s.digest, !ecdsa && s.algorithm.Equal(oidRSA)
}

func digest(hash crypto.Hash, message []byte) []byte {
	h := hash.New()
	h.Write(message)
	return h.Sum(nil)
}
