// SPDX-License-Identifier: Apache-2.0

// Package dsse implements the Dead Simple Signing Envelope: a payload with its
// type, and signatures over the pre-authentication encoding of both.
//
// It contains the envelope and the encoding only. Verifying signatures is left
// to the caller. A Sigstore bundle has exactly one signature in its envelope
// (bundle specification), which package bundle enforces.
//
// Source: DSSE v1.0.2, https://github.com/secure-systems-lab/dsse (protocol.md,
// envelope.md).
package dsse
