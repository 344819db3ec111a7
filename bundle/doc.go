// SPDX-License-Identifier: Apache-2.0

// Package bundle is the Sigstore bundle: everything that verifying one
// signature offline takes, in one JSON file.
//
// Parse reads media types v0.1, v0.2 and v0.3 (both spellings of the last);
// Marshal writes v0.3. Parse refuses what the specification refuses by shape
// alone: an unknown media type, unknown or duplicate fields, trailing data, no
// or several signatures in an envelope, a chain where v0.3 wants one
// certificate, a v0.1 entry without promise, later ones without proof. What a
// bundle says is not yet true after Parse; package verify decides that.
//
// FromDetached reads what came before the bundle: signature, certificate and log
// entry as cosign 1 and 2 left them, each in a file or all in one, which Parse
// reads as well. It is refused as strictly.
//
// Source: https://docs.sigstore.dev/about/bundle/, protobuf-specs
// bundle/v1/sigstore_bundle.proto. Proof: TestConformance reads the bundles of
// the public conformance suite.
package bundle
