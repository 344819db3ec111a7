// SPDX-License-Identifier: Apache-2.0

// Package trust is the out-of-band knowledge that verifying rests on: the
// trusted root (whose keys and authorities count, and when) and the signing
// config (where a client signs).
//
// Both are read strictly and once: unknown or duplicate fields, trailing data,
// keys outside the algorithm registry, logs without an identifier or a start,
// and chains that are no certificates are refused, so what Parse gives out can
// be used without looking again. Validity windows include both ends.
//
// [Material] is all that an instance publishes, with the fingerprint that people compare:
// the files are listed in one place, and unknown ones are refused.
//
// Source: protobuf-specs trustroot/v1/sigstore_trustroot.proto, Sigstore client
// specification §"Trusted root". Proof: TestPublicGood reads the public
// instance's files, TestConformance those of the conformance suite.
package trust
