// SPDX-License-Identifier: Apache-2.0

// Package interop holds no code of its own: its tests let other people's
// Sigstore clients judge a running hallmark, and hallmark judge theirs.
//
// The oracles are sigstore-go (a library of this module), cosign (a tool of
// this module, built once per run), the npm sigstore client in two majors
// (interop/npm) and openssl. They are unmodified and pinned in go.mod and
// npm/package-lock.json. A client that cannot be had fails the tests where CI
// is set, and skips them elsewhere, saying how to get it.
//
// Beside what they agree on, TestMutants has hallmark and sigstore-go judge
// bundles that were changed in every way that the tests know, and explains each
// disagreement by a row of docs/disagreements.md. BenchmarkVerify and
// BenchmarkRatio measure the two beside each other.
//
// It is a module of its own so that none of this reaches hallmark's users.
package interop
