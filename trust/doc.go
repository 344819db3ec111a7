// SPDX-License-Identifier: Apache-2.0

// Package trust implements the trust material of an instance: the trusted root (which keys
// and authorities are trusted, and when) and the signing config (where a client signs).
// Clients get both out of band.
//
// Parsing is strict. Unknown or duplicate fields, trailing data, keys outside the algorithm
// registry, logs without an identifier or a start, and chains of anything but certificates
// are refused, so parsed values need no further checks. Validity windows include both ends.
//
// [Material] holds all files that an instance publishes, and computes the fingerprint that
// people compare. The files are listed in one place, and unknown files are refused.
//
// Source: protobuf-specs trustroot/v1/sigstore_trustroot.proto, Sigstore client
// specification §"Trusted root". Proof: TestPublicGood reads the public
// instance's files, TestConformance those of the conformance suite.
package trust
