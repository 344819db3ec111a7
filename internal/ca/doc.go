// SPDX-License-Identifier: Apache-2.0

// Package ca implements the certificate authority, which issues a certificate
// with SCT, valid for ten minutes, for an ID token and a proof of possession.
//
//	POST /api/v2/signingCert    200, JSON: the chain, leaf first
//	GET  /api/v2/trustBundle    the issuing chain
//	POST /api/hallmark/v1/explain  what a certificate for the bearer's token would contain
//	GET  /api/v2/configuration  the accepted issuers of tokens
//	POST /api/v1/signingCert    201, PEM: for older clients, with the token as bearer
//	GET  /api/v1/rootCert       PEM
//
// A request must be application/json of at most fulcio.MaxRequest bytes, with a
// token of at most 16 KiB, and is processed within 15 seconds. Besides what
// package fulcio refuses, this package refuses a token in the body that differs
// from the one in the Authorization header, RSA keys with an exponent other
// than 65537 or with weak factors, identities that a certificate can't contain,
// and a key that an unexpired certificate of another identity (issuer and
// subject) names. Those keys are remembered for the lifetime of a certificate, and New reads them
// from the CT log. Refusals are {"code":3,"message":"…","details":[]} with
// fixed text, all in problems.go.
//
// Certificates follow the specification's "Issued Certificate", with neither
// basic constraints nor a subject. A precertificate with the poison is signed
// and logged first. The certificate is identical except that the SCT list
// replaces the poison. Both are encoded here once, because
// x509.CreateCertificate would parse and verify each twice. TestCertificate
// reads them with crypto/x509, TestOpenSSL with openssl(1).
//
// Source: Fulcio's fulcio.proto and certificate-specification.md, RFC 5280, RFC
// 6962 §3.1.
package ca
