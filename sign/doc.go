// SPDX-License-Identifier: Apache-2.0

// Package sign makes Sigstore bundles: a signature, the certificate of its key, and the
// timestamps and log entries that prove when it was made.
//
// The steps are those of the client specification: certificate, signature over the artifact's
// digest or the envelope's pre-authentication encoding, then timestamp and log entry of that
// signature, concurrently. Services are reached through three small interfaces, so this
// package opens no connection; package client implements them over HTTP. The result has not
// been verified: verify it with package verify before you publish it.
//
// It refuses keys outside the Sigstore algorithm registry and verify-only ones. Ed25519 keys
// sign prehashed (Ed25519ph): a log that sees only digests can't check the pure form.
//
// Source: Sigstore client specification §2 "Signing",
// https://github.com/sigstore/architecture-docs/blob/main/client-spec.md.
package sign
