// Package timestamp is the time-stamp protocol: requests, responses and the
// tokens inside them, parsed, verified and issued.
//
//	30 82…                          TimeStampResp
//	  30 03 02 01 00                  status granted
//	  30 82… 06 09 …07 02             ContentInfo, signedData: the token
//	    02 01 03                        version 3
//	    30 … 06 0b …10 01 04            TSTInfo: policy, imprint, serial, genTime, nonce
//	    a0 …                            certificates, when the request asked
//	    31 … 30 …                       SignerInfo: whose, signed attributes, signature
//
// Only DER is read; BER is refused, and so are tokens with several signers,
// trailing data, doubled attributes and hashes other than SHA-256, SHA-384 and
// SHA-512. Tokens of older authorities name their certificate by SHA-1 (ESSCertID
// of RFC 2634); that is read, never written. Sizes are limited before anything is
// allocated.
//
// A token proves that its imprint existed at its time to whoever trusts the
// signing certificate. This package verifies the signature and what the
// certificate must be for; the chain at that time is the caller's.
//
// Source: RFC 3161, RFC 5816, RFC 5652, RFC 5035, RFC 2634, RFC 8419 (Ed25519).
// TestConformance reads tokens of the public authorities; TestOpenSSLVerify has
// openssl(1) read ours, TestOpenSSLTokens reads those of openssl.
package timestamp
