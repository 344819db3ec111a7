// Package dsse is the Dead Simple Signing Envelope: a payload with its type,
// and signatures over the pre-authentication encoding of both.
//
// It holds the envelope and the encoding; keys and policy are the business of
// whoever verifies. Sigstore bundles carry exactly one signature per envelope
// (bundle specification), which package bundle enforces.
//
// Source: DSSE v1.0.2, https://github.com/secure-systems-lab/dsse (protocol.md,
// envelope.md).
package dsse
