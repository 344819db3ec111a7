// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Limits of the certificates of one token. A parsed certificate takes many
// times its encoded size.
const (
	maxCertificates = 16       // certificates
	maxChain        = 32 << 10 // bytes of all certificates together
)

// maxRSA bounds the RSA keys of a token's certificates, in bits. The
// certificates are untrusted, and a signature by a key of 240,000 bits takes
// seconds to verify.
const maxRSA = 8192

// A Token is a time-stamp token (RFC 3161 §2.4.2). Its fields are claims until
// [Token.VerifySignature] succeeds.
type Token struct {
	Time         time.Time             // genTime, UTC
	Accuracy     time.Duration         // 0 if absent
	Ordering     bool                  // whether Time alone orders the authority's tokens
	Hash         crypto.Hash           // of Imprint
	Imprint      []byte                // digest of the time-stamped data
	Nonce        *big.Int              // nil if absent
	Policy       asn1.ObjectIdentifier // the authority's policy
	Serial       *big.Int              // unique for the authority
	Certificates []*x509.Certificate   // in no particular order
	Raw          []byte                // DER of the token, a ContentInfo

	info   []byte // DER of TSTInfo
	signer signerInfo
}

// ParseResponse parses a TimeStampResp of at most 1 MiB. If the authority
// granted nothing, or granted with modifications, the error is a
// *[StatusError].
func ParseResponse(der []byte) (*Token, error) {
	if len(der) > maxMessage {
		return nil, errors.New("parsing time-stamp response: longer than 1 MiB")
	}
	var body cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, errors.New("parsing time-stamp response: not a DER sequence")
	}
	if err := readStatus(&body); err != nil {
		return nil, fmt.Errorf("parsing time-stamp response: %w", err)
	}
	token, err := ParseToken(body)
	if err != nil {
		return nil, fmt.Errorf("parsing time-stamp response: %w", err)
	}
	return token, nil
}

// ParseToken parses a token of at most 1 MiB: a ContentInfo with SignedData.
// The token retains der.
func ParseToken(der []byte) (*Token, error) {
	if len(der) > maxMessage {
		return nil, errors.New("parsing time-stamp token: longer than 1 MiB")
	}
	var info, explicit, data cryptobyte.String
	var contentType asn1.ObjectIdentifier
	in := cryptobyte.String(der)
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !in.Empty() || !readOID(&info, &contentType) ||
		!contentType.Equal(oidSignedData) ||
		!info.ReadASN1(&explicit, cbasn1.Tag(0).ContextSpecific().Constructed()) || !info.Empty() ||
		!explicit.ReadASN1(&data, cbasn1.SEQUENCE) || !explicit.Empty() {
		return nil, errors.New("parsing time-stamp token: not DER of CMS signed data")
	}
	t := &Token{Raw: der}
	if err := t.parseSignedData(data); err != nil {
		return nil, fmt.Errorf("parsing time-stamp token: %w", err)
	}
	return t, nil
}

// parseSignedData parses the fields of SignedData (RFC 5652 §5.1).
func (t *Token) parseSignedData(in cryptobyte.String) error {
	var version int
	var algorithms cryptobyte.String
	if !in.ReadASN1Integer(&version) || version != 3 || !in.ReadASN1(&algorithms, cbasn1.SET) {
		return errors.New("signed data is malformed or not of version 3")
	}
	digest, err := readDigestAlgorithm(&algorithms)
	if err != nil || !algorithms.Empty() {
		return errors.New("signed data does not have exactly one known digest algorithm")
	}
	if t.info, err = readContent(&in); err != nil {
		return err
	}
	if err := t.parseInfo(t.info); err != nil {
		return fmt.Errorf("time-stamp info: %w", err)
	}
	if t.Certificates, err = readCertificates(&in); err != nil {
		return err
	}
	// Revocation lists are ignored here; the caller that verifies the chain may
	// use them.
	if !in.SkipOptionalASN1(cbasn1.Tag(1).ContextSpecific().Constructed()) {
		return errors.New("revocation lists are malformed")
	}
	var signers cryptobyte.String
	if !in.ReadASN1(&signers, cbasn1.SET) || !in.Empty() {
		return errors.New("signers are malformed, or there is trailing data")
	}
	if t.signer, err = readSigner(&signers); err != nil {
		return fmt.Errorf("signer: %w", err)
	}
	if !signers.Empty() {
		return errors.New("more than one signer")
	}
	if t.signer.digest != digest {
		return errors.New("signer's digest algorithm is not the signed data's")
	}
	return nil
}

// readContent reads an EncapsulatedContentInfo with the DER of a TSTInfo.
func readContent(in *cryptobyte.String) ([]byte, error) {
	var content, explicit, octets cryptobyte.String
	var contentType asn1.ObjectIdentifier
	if !in.ReadASN1(&content, cbasn1.SEQUENCE) || !readOID(&content, &contentType) || !contentType.Equal(oidTSTInfo) ||
		!content.ReadASN1(&explicit, cbasn1.Tag(0).ContextSpecific().Constructed()) || !content.Empty() ||
		!explicit.ReadASN1(&octets, cbasn1.OCTET_STRING) || !explicit.Empty() {
		return nil, errors.New("content is malformed or not time-stamp info")
	}
	return octets, nil
}

// readCertificates reads the optional CertificateSet, which must contain X.509
// certificates only.
func readCertificates(in *cryptobyte.String) ([]*x509.Certificate, error) {
	var set, element cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&set, &present, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return nil, errors.New("certificates are malformed")
	}
	if len(set) > maxChain {
		return nil, errors.New("certificates are longer than 32 KiB")
	}
	var all []*x509.Certificate
	for !set.Empty() {
		if len(all) == maxCertificates || !set.ReadASN1Element(&element, cbasn1.SEQUENCE) {
			return nil, errors.New("certificates are malformed or too many")
		}
		cert, err := x509.ParseCertificate(element)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(all), err)
		}
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
			return nil, fmt.Errorf("certificate %d: RSA key of %d bits, want at most %d", len(all), key.N.BitLen(), maxRSA)
		}
		all = append(all, cert)
	}
	return all, nil
}

func readDigestAlgorithm(in *cryptobyte.String) (crypto.Hash, error) {
	var oid asn1.ObjectIdentifier
	if !readAlgorithm(in, &oid) {
		return 0, errors.New("digest algorithm is malformed")
	}
	return digestByOID(oid)
}
