// SPDX-License-Identifier: Apache-2.0

// Package intoto reads and writes the in-toto Statement, which binds a
// predicate to subjects by digest.
//
// [Parse] refuses whatever two readers could understand differently: duplicate
// keys, trailing data, member names in another case, a _type other than v1 (and
// v0.1, which has the same structure), digests that are not lower-case hex. The
// predicate itself is not parsed; its format depends on its type.
//
// Source: in-toto attestation framework, spec/v1/statement.md, digest_set.md,
// resource_descriptor.md.
package intoto
