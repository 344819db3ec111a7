// SPDX-License-Identifier: Apache-2.0

// Package publickey parses public keys in the common formats: SPKI (RFC 5280
// §4.1) and PKCS #1 (RFC 8017) in PEM or DER, X.509 certificates, of which only
// the key is used, and lines of OpenSSH keys (RFC 4253 §6.6, RFC 5656, RFC
// 8709). Points of elliptic curves may be compressed (RFC 5480 §2.2).
//
// For other formats the error names the format and a way to convert it. Files
// with more than one key are refused.
package publickey
