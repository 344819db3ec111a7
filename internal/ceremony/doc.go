// SPDX-License-Identifier: Apache-2.0

// Package ceremony creates the certificates of an instance's authorities. Keys
// and files are up to the caller.
//
//	root             CA, path length 1; self-signed, its key kept offline
//	├─ intermediate  CA, path length 0, code signing: the certificate authority
//	└─ timestamping  critical time stamping and nothing else: the timestamp authority
//
// One root is above both, so that only one key must be kept offline. Key usages
// separate the two: nothing that the intermediate issues can sign timestamps,
// and the timestamping certificate is neither a CA nor valid for code signing.
// Clients take each chain from its own list in the trusted root. All three have
// the root's organization, by which gh selects an instance.
//
// Empty names, a name equal to the parent's, keys outside the Sigstore
// algorithm registry, a validity without end or beyond the parent's, and
// parents that may not issue the certificate are refused.
//
// Source: Fulcio's certificate-specification.md, RFC 5280, RFC 3161 §2.3.
// TestOpenSSL has openssl(1) verify the chains with -x509_strict.
package ceremony
