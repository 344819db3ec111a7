// SPDX-License-Identifier: Apache-2.0

// Package simplesigning reads and writes the payload that cosign 1 and 2 sign
// for a container image. It contains the digest of the image manifest.
//
// [Parse] refuses duplicate keys, trailing data and other types of payload. It
// does not interpret other members, which the signer chooses freely.
//
// Source: containers/image docs/containers-signature.5.md ("JSON data format");
// cosign specs/SIGNATURE_SPEC.md ("Payload").
package simplesigning
