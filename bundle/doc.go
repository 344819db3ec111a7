// SPDX-License-Identifier: Apache-2.0

// Package bundle implements the Sigstore bundle: a JSON file with a signature and everything
// needed to verify it offline.
//
// Parse reads media types v0.1, v0.2 and v0.3 (both spellings of the last);
// Marshal writes v0.3. Parse refuses every shape that the specification excludes: an
// unknown media type, unknown or duplicate fields, trailing data, no or several signatures
// in an envelope, a chain where v0.3 requires a single certificate, a v0.1 entry without a
// signed entry timestamp, later entries without a proof. Parse verifies nothing; package
// verify does.
//
// FromDetached reads the older form of cosign 1 and 2: signature, certificate and log entry
// in separate files. Parse also reads their single-file form. Both are as strict.
//
// Source: https://docs.sigstore.dev/about/bundle/, protobuf-specs
// bundle/v1/sigstore_bundle.proto. Proof: TestConformance reads the bundles of
// the public conformance suite.
package bundle
