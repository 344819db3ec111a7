// Package sct is the signed certificate timestamp: a CT log's promise, inside
// a certificate, that it has logged that certificate.
//
//	00                    version v1
//	dd3d306a…8a           log ID, 32 bytes: SHA-256 of the log's key
//	0000019a3c5e7f10      milliseconds since 1970
//	0008 0000050000000003 extensions: leaf_index 3 (static-ct-api)
//	04 03 0047 30450220…  SHA-256, ECDSA, signature
//
// A log signs a precertificate entry: the certificate as it will be, less the
// SCT list itself, and the hash of its issuer's key. [PrecertTBS] makes that
// form byte for byte from a precertificate or from a final certificate.
//
// It refuses trailing data, lists of no or too many timestamps, doubled
// extensions, and log keys other than P-256 and RSA of 2048 bits and more
// (RFC 6962 §2.1.4). Precertificate signing certificates (§3.1) are not
// supported: Sigstore's authorities sign precertificates with the same key.
// TestConformance verifies certificates that public Sigstore CT logs have signed.
//
// Source: RFC 6962 §3.2–3.4, https://c2sp.org/static-ct-api.
package sct
