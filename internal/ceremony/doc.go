// Package ceremony makes the certificates of an instance's authorities. Keys and
// files are the caller's.
//
//	root             CA, path length 1; self-signed, its key kept offline
//	├─ intermediate  CA, path length 0, code signing: the certificate authority
//	└─ timestamping  critical time stamping and nothing else: the timestamp authority
//
// One root is over both, so that one key is kept offline. Usages keep the two
// apart: the intermediate's bars everything that it issues from stamping, and the
// timestamping certificate is no CA and not for code. Clients take the chain of
// each from its own list of the trusted root, the timestamping certificate first.
// All three carry the root's organization, by which gh picks an instance.
//
// Refused are names that are empty or the parent's, keys outside the Sigstore
// algorithm registry, a validity without end or outside of the parent's, and
// parents that may not issue what is asked for.
//
// Source: Fulcio's certificate-specification.md, RFC 5280, RFC 3161 §2.3.
// TestOpenSSL has openssl(1) verify the chains with -x509_strict.
package ceremony
