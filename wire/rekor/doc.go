// SPDX-License-Identifier: Apache-2.0

// Package rekor reads and writes the messages of a transparency log of signatures: the request
// for an entry, the entry's canonical body (the leaf of the tree), and the
// TransparencyLogEntry that proves its inclusion.
//
// New entries are hashedrekord 0.0.2 of Rekor v2, the only kind that is written. A
// dsseRequestV002, which the specification has dropped but released clients still send,
// becomes a hashedrekord over the hash of the envelope's pre-authentication encoding.
// [ParseBody] reads every kind of body that a bundle may carry, of Rekor v1 and v2.
// [ParseEntryV1] reads responses of Rekor v1 and the form in which cosign stored them.
//
// It refuses unknown, duplicate and missing members, base64 that is not canonical, pure
// Ed25519 (a hash can't be verified with it), keys outside the algorithm registry, and indices
// that no log has. TestConformance rebuilds the bodies of public Rekor v2 entries, byte for
// byte, and verifies the signed entry timestamps of Rekor v1.
//
// Source: Rekor v2 specification (sigstore/architecture-docs,
// rekor-v2-spec.md), protobuf-specs rekor/v1/sigstore_rekor.proto and
// rekor/v2, RFC 8785 (canonical JSON).
package rekor
