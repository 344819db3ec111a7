// SPDX-License-Identifier: Apache-2.0

// Package verify decides whether a bundle meets the requirements of a policy: who
// signed the artifact, when, and that a log contains the signature. It depends only on its
// arguments: it uses no network, files or clock.
//
// Verify is the client specification's verification in nine numbered steps,
// one function each:
//
//	1 shape      2 times      3 chain      4 sct        5 identity
//	6 log        7 signature  8 statement  9 revocation (comes with revocation lists)
//
// Comparisons are complete: an entry belongs to a bundle only if digest, signature, and key
// or certificate are all equal to the bundle's. Entries of logs and tokens of authorities in
// the trusted root must verify, or the bundle is refused; those of others are ignored.
// Thresholds count distinct logs and distinct authorities. Refusals are of type [*Error]
// with a stable Code; see [Codes].
//
// Source: Sigstore client specification (sigstore/architecture-docs,
// client-spec.md, "Verification"); bundle, DSSE, in-toto, RFC 3161, RFC 5280,
// RFC 6962 and Rekor as the packages below say. Proof: TestConformance runs the
// public conformance suite, by file and by digest.
package verify
