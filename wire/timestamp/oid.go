// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"crypto"
	_ "crypto/sha1"   // names certificates, see readSigningCertificates
	_ "crypto/sha256" // linked in, so that every digest below is available
	_ "crypto/sha512" // as above
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxOID bounds an encoded object identifier before its arcs are counted.
const maxOID = 64

var (
	oidSignedData           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidContentType          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningCertificate   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12} // RFC 2634
	oidSigningCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47} // RFC 5035

	oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// digests lists the digest algorithms of imprints and signatures.
var digests = []struct {
	oid  asn1.ObjectIdentifier
	hash crypto.Hash
	json string // name in a JSON request
}{
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA256, "sha256"},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384, "sha384"},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512, "sha512"},
}

// errHash reports a digest algorithm other than SHA-256, SHA-384 and SHA-512.
var errHash = errors.New("digest algorithm is not SHA-256, SHA-384 or SHA-512")

func digestByOID(oid asn1.ObjectIdentifier) (crypto.Hash, error) {
	for _, d := range digests {
		if d.oid.Equal(oid) {
			return d.hash, nil
		}
	}
	return 0, errHash
}

func digestOID(h crypto.Hash) (asn1.ObjectIdentifier, error) {
	for _, d := range digests {
		if d.hash == h {
			return d.oid, nil
		}
	}
	return nil, errHash
}

// readOID reads an object identifier of at most maxOID bytes.
func readOID(in *cryptobyte.String, oid *asn1.ObjectIdentifier) bool {
	var element cryptobyte.String
	if !in.ReadASN1Element(&element, cbasn1.OBJECT_IDENTIFIER) || len(element) > maxOID {
		return false
	}
	return element.ReadASN1ObjectIdentifier(oid)
}

// readAlgorithm reads an AlgorithmIdentifier. Its parameters must be absent or
// NULL.
func readAlgorithm(in *cryptobyte.String, oid *asn1.ObjectIdentifier) bool {
	var alg, null cryptobyte.String
	if !in.ReadASN1(&alg, cbasn1.SEQUENCE) || !readOID(&alg, oid) {
		return false
	}
	if alg.Empty() {
		return true
	}
	return alg.ReadASN1(&null, cbasn1.NULL) && null.Empty() && alg.Empty()
}

func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) })
}

// readImprint reads a MessageImprint, or a digest algorithm and value in the
// same form.
func readImprint(in *cryptobyte.String) (crypto.Hash, []byte, error) {
	var body, digest cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !readAlgorithm(&body, &oid) ||
		!body.ReadASN1(&digest, cbasn1.OCTET_STRING) || !body.Empty() {
		return 0, nil, errors.New("message imprint is malformed")
	}
	hash, err := digestByOID(oid)
	if err != nil {
		return 0, nil, err
	}
	if len(digest) != hash.Size() {
		return 0, nil, errors.New("message imprint is not as long as its digest algorithm's")
	}
	return hash, digest, nil
}

func addImprint(b *cryptobyte.Builder, hash crypto.Hash, imprint []byte) error {
	oid, err := digestOID(hash)
	if err != nil {
		return err
	}
	if len(imprint) != hash.Size() {
		return errors.New("message imprint is not as long as its digest algorithm's")
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addAlgorithm(b, oid)
		b.AddASN1OctetString(imprint)
	})
	return nil
}
