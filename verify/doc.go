// SPDX-License-Identifier: Apache-2.0

// Package verify decides whether a bundle proves what a policy asks of an
// artifact: who signed it, when, and that a log has seen it. It reads nothing
// but its arguments: no network, no files, no clock.
//
// Verify is the client specification's verification in nine numbered steps,
// one function each:
//
//	1 shape      2 times      3 chain      4 sct        5 identity
//	6 log        7 signature  8 statement  9 revocation (comes with revocation lists)
//
// Everything is compared, never only a part: an entry belongs to a bundle when
// digest, signature and key or certificate are all the bundle's. What is known
// to the trusted root must verify, or the bundle is refused; entries of logs and
// tokens of authorities that it does not know count for nothing. Thresholds
// count distinct logs and distinct authorities. Refusals are *Error with a
// stable Code; see Codes.
//
// Source: Sigstore client specification (sigstore/architecture-docs,
// client-spec.md, "Verification"); bundle, DSSE, in-toto, RFC 3161, RFC 5280,
// RFC 6962 and Rekor as the packages below say. Proof: TestConformance runs the
// public conformance suite, by file and by digest.
package verify
