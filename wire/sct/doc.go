// SPDX-License-Identifier: Apache-2.0

// Package sct reads, writes and verifies signed certificate timestamps. An SCT
// is embedded in a certificate and is a CT log's promise that it has logged the
// certificate.
//
//	00                    version v1
//	dd3d306a…8a           log ID, 32 bytes: SHA-256 of the log's key
//	0000019a3c5e7f10      milliseconds since 1970
//	0008 0000050000000003 extensions: leaf_index 3 (static-ct-api)
//	04 03 0047 30450220…  SHA-256, ECDSA, signature
//
// A log signs a precertificate entry: the certificate without the SCT list, and
// the hash of its issuer's key. [PrecertTBS] derives that form byte for byte
// from a precertificate or from a final certificate.
//
// It refuses trailing data, empty and oversized lists, duplicate extensions,
// and log keys other than P-256 and RSA of at least 2048 bits (RFC 6962
// §2.1.4). Precertificate signing certificates (§3.1) are not supported:
// Sigstore's authorities sign precertificates with the same key.
// TestConformance verifies certificates with SCTs of public Sigstore CT logs.
//
// Source: RFC 6962 §3.2–3.4, https://c2sp.org/static-ct-api.
package sct
