// Package intoto is the in-toto Statement: which subjects, by digest, a
// predicate speaks of.
//
// Parse refuses what would let two readers see two statements: duplicate keys,
// trailing data, names in another case, a _type other than v1 (and v0.1, which
// is the same shape), digests that are not lower-case hex. The predicate itself
// is kept as it stands; its type decides who can read it.
//
// Source: in-toto attestation framework, spec/v1/statement.md, digest_set.md,
// resource_descriptor.md.
package intoto
