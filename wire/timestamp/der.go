package timestamp

import (
	"crypto"
	_ "crypto/sha256" // the hashes of this package
	_ "crypto/sha512"
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxOID is the longest object identifier that is read, in bytes of DER. Those
// of the protocol have 11.
const maxOID = 64

// maxInteger is the longest serial number and nonce, in bytes of DER: serials
// have up to 160 bits ("MUST be ready to accommodate", RFC 3161 §2.4.2), nonces
// usually 64.
const maxInteger = 64

func oidSignedData() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
}
func oidTSTInfo() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
}
func oidContentType() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
}
func oidMessageDigest() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
}
func oidSigningCertificateV2() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
}

// hashes are the ones an imprint and a signature may use, as JSON and DER say it.
var hashes = []struct {
	hash crypto.Hash
	name string
	oid  asn1.ObjectIdentifier
}{
	{crypto.SHA256, "sha256", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}},
	{crypto.SHA384, "sha384", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}},
	{crypto.SHA512, "sha512", asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}},
}

// hashOf gives the hash with this OID; 0 for all others.
func hashOf(oid asn1.ObjectIdentifier) crypto.Hash {
	for _, h := range hashes {
		if h.oid.Equal(oid) {
			return h.hash
		}
	}
	return 0
}

// readOID reads an OBJECT IDENTIFIER, and refuses a long one unread.
func readOID(s *cryptobyte.String, oid *asn1.ObjectIdentifier) bool {
	var element cryptobyte.String
	return s.ReadASN1Element(&element, cbasn1.OBJECT_IDENTIFIER) && len(element) <= maxOID &&
		element.ReadASN1ObjectIdentifier(oid)
}

// readAlgorithm reads an AlgorithmIdentifier whose parameters are absent or NULL,
// as those of all algorithms here are.
func readAlgorithm(s *cryptobyte.String, oid *asn1.ObjectIdentifier) bool {
	var seq, null cryptobyte.String
	if !s.ReadASN1(&seq, cbasn1.SEQUENCE) || !readOID(&seq, oid) {
		return false
	}
	return seq.Empty() || seq.ReadASN1(&null, cbasn1.NULL) && null.Empty() && seq.Empty()
}

// readInteger reads an INTEGER of at most maxInteger bytes.
func readInteger(s *cryptobyte.String) (*big.Int, bool) {
	var element cryptobyte.String
	n := new(big.Int)
	ok := s.ReadASN1Element(&element, cbasn1.INTEGER) && len(element) <= maxInteger && element.ReadASN1Integer(n)
	return n, ok
}

// readImprint reads MessageImprint { hashAlgorithm, hashedMessage }. The hash is
// 0 for an algorithm that is not one of ours.
func readImprint(s *cryptobyte.String) (hash crypto.Hash, imprint []byte, ok bool) {
	var seq, hashed cryptobyte.String
	var oid asn1.ObjectIdentifier
	ok = s.ReadASN1(&seq, cbasn1.SEQUENCE) && readAlgorithm(&seq, &oid) &&
		seq.ReadASN1(&hashed, cbasn1.OCTET_STRING) && seq.Empty()
	return hashOf(oid), hashed, ok
}

func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) })
}

func addHash(b *cryptobyte.Builder, hash crypto.Hash) {
	for _, h := range hashes {
		if h.hash == hash {
			addAlgorithm(b, h.oid)
		}
	}
}

func addImprint(b *cryptobyte.Builder, hash crypto.Hash, imprint []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addHash(b, hash)
		b.AddASN1OctetString(imprint)
	})
}
