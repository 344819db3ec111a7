// SPDX-License-Identifier: Apache-2.0

// Package sigalg implements the Sigstore algorithm registry: the closed list of key types,
// sizes and hashes that signatures in Sigstore may use, under their names in PublicKeyDetails
// of protobuf-specs common/v1/sigstore_common.proto.
//
// An algorithm binds a key's type and size to one hash and one encoding, so the name or the
// key decides how a signature is verified, never the signature. Entries that the registry
// marks as deprecated are verify-only, because old signatures use them; Sign and SignDigest
// refuse them. HMAC, LMS, LM-OTS and the unbounded RSA entries are not supported: ErrUnknown.
//
// Source: https://github.com/sigstore/architecture-docs/blob/main/algorithm-registry.md,
// RFC 8017 (RSA), FIPS 186-5 (ECDSA), RFC 8032 (Ed25519, Ed25519ph).
package sigalg
