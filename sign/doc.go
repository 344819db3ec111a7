// SPDX-License-Identifier: Apache-2.0

// Package sign makes Sigstore bundles: a signature, the certificate of the key
// that made it, and the time-stamps and log entries that bear witness to it.
//
// The steps are those of the client specification: certificate, signature over
// the artifact's digest or the envelope's pre-authentication encoding, then
// time-stamp and log entry of that signature, both at once. Services are reached
// through three small interfaces, so this package opens no connection; package
// client has the ones that speak HTTP. What it makes has not been verified: hand
// it to package verify before it is given to anybody.
//
// It refuses keys outside the Sigstore algorithm registry and verify-only ones.
// Ed25519 keys sign prehashed (Ed25519ph): a log that sees only digests cannot
// check the pure form.
//
// Source: Sigstore client specification §2 "Signing",
// https://github.com/sigstore/architecture-docs/blob/main/client-spec.md.
package sign
