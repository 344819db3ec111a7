// Package ca is the certificate authority: an ID token and a proof of possession
// in, a certificate of ten minutes with its SCT out.
//
//	POST /api/v2/signingCert    200, JSON: the chain, leaf first
//	GET  /api/v2/trustBundle    the chain that it issues under
//	GET  /api/v2/configuration  the issuers whose tokens it takes
//	POST /api/v1/signingCert    201, PEM: for older clients, whose token is the bearer's
//	GET  /api/v1/rootCert       PEM
//
// Before anything costly a request must be application/json of at most
// fulcio.MaxRequest bytes, with a token of at most MaxToken; it then has
// Deadline. Besides what package fulcio refuses, this one refuses a token in the
// body that is not the one of the Authorization header, RSA keys with another
// exponent than 65537 or factors that are easily found, and identities that a
// certificate can't carry; and a key that a certificate of another identity, issuer
// and subject, names until that ends: those of a Lifetime are remembered, and read back
// from the CT log by New. Refusals are {"code":3,"message":"…","details":[]}
// with fixed text; problems.go has them all.
//
// Certificates follow the specification's "Issued Certificate", with neither
// basic constraints nor a subject. A precertificate with the poison is signed and
// logged first; the certificate is the same, byte for byte, save that the SCT
// list stands in the poison's place. Both are encoded here, once, for
// x509.CreateCertificate would parse and verify each twice over. TestCertificate
// reads them with crypto/x509, TestOpenSSL with openssl(1).
//
// Source: Fulcio's fulcio.proto and certificate-specification.md, RFC 5280, RFC
// 6962 §3.1.
package ca
