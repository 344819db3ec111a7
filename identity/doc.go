// SPDX-License-Identifier: Apache-2.0

// Package identity reads and matches the identity in a Fulcio certificate: the
// issuer, the subject that the issuer vouched for, and the build that it
// described.
//
// [FromCertificate] refuses whatever two readers could understand differently:
// no subject alternative name or several, an empty subject, control characters,
// malformed or duplicate extensions, and issuer extensions that disagree.
// [Identity.Extensions] is its inverse. A [Matcher] compares byte for byte. Its
// zero value matches nothing.
//
// TestPublicCertificates reads certificates of the public Sigstore instance.
//
// Source: Fulcio's certificate-specification.md and oid-info.md; RFC 5280
// §4.2.1.6 for the subject alternative name.
package identity
