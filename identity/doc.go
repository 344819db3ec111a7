// Package identity says who signed: the issuer that vouched, the subject it
// named and the build it described, as a Fulcio certificate carries them.
//
// FromCertificate refuses what two readers could read differently: no subject
// alternative name or several, an empty subject, control bytes, extensions that
// are not the DER they should be or come twice, and a certificate whose two
// issuer extensions disagree. Extensions is its inverse. A Matcher compares byte
// for byte and matches nothing by default.
//
// TestPublicCertificates reads the certificates of the public Sigstore instance.
//
// Source: Fulcio's certificate-specification.md and oid-info.md; RFC 5280
// §4.2.1.6 for the subject alternative name.
package identity
