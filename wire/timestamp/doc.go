// SPDX-License-Identifier: Apache-2.0

// Package timestamp implements the time-stamp protocol. It parses and writes
// requests, responses and the tokens inside them, and signs and verifies
// tokens.
//
//	30 82…                          TimeStampResp
//	  30 03 02 01 00                  status granted
//	  30 82… 06 09 …07 02             ContentInfo, signedData: the token
//	    02 01 03                        version 3
//	    30 … 06 0b …10 01 04            TSTInfo: policy, imprint, serial, genTime, nonce
//	    a0 …                            certificates, if the request asked for them
//	    31 … 30 …                       SignerInfo: identifier, signed attributes, signature
//
// Only DER is accepted. BER is refused, and so are tokens with several signers,
// trailing data, duplicate attributes and hashes other than SHA-256, SHA-384
// and SHA-512. Tokens of older authorities name their certificate by SHA-1
// (ESSCertID of RFC 2634), which is read but never written. Sizes are checked
// before anything is allocated.
//
// A token proves to those who trust the signing certificate that its imprint
// existed at its time. This package verifies the signature and the purpose of
// the certificate. The caller must verify the certificate chain at that time.
//
// Source: RFC 3161, RFC 5816, RFC 5652, RFC 5035, RFC 2634, RFC 8419 (Ed25519).
// TestConformance reads tokens of public authorities; TestOpenSSLVerify has
// openssl(1) verify ours, TestOpenSSLTokens reads those of openssl.
package timestamp
