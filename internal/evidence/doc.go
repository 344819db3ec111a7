// SPDX-License-Identifier: Apache-2.0

// Package evidence implements the evidence store, which stores bundles by the
// digest of their subject and returns them to any client.
//
//	POST /api/v1/bundles/sha256:HEX   {"bundle":{…}}, at most 32 MiB; 201
//	GET  /api/v1/bundles/sha256:HEX   ?per_page=1…100 &after=ID or &before=ID &predicate_type=URI
//
// Posting needs no login. The store accepts only what it can verify: the bundle
// must be of the artifact in the path, and its certificate, entries and
// timestamps must all be of authorities and logs in the instance's trusted
// root. So everything in the store is also in the log. Bundles signed with a
// key are refused: anyone can create keys, so nothing would bound their number.
//
// A digest has one bundle per log entry. If the bundle is posted again, in any encoding, the
// response is 201 and the first copy is kept. A bundle is stored in addition only if it has
// proofs (by logs, timestamp authorities, the instance's witnesses) that no stored one has, so
// that a client can't suppress cosignatures by posting first without them. Bundles are stored
// as v0.3, without the envelope's key identifier, which is unauthenticated.
//
// One entry may use no more space than one digest, 64 MiB under all its
// subjects together, with at most 64 KiB besides its statement. One signer may
// use at most half of the space that other signers leave of a digest.
//
//	DIR/lock
//	DIR/tmp/                                   temporary files; cleared at start
//	DIR/sha256/9f/9f86…/000001-LOG-INDEX-TYPE-SIGNER-PROOFS.json  in order of arrival
//
// LOG and INDEX identify the entry. TYPE is the start of the SHA-256 of the
// statement's predicate type, or "none". SIGNER and PROOFS are those of the
// signer and of the proofs. Older stores have names without the last two. The
// store responds once the bundle is on the disk: kill -9 loses none and leaves
// none half-written. Files are never changed or removed. An operator who
// deletes a file removes the bundle. After a failed write, posts are refused
// (503) until the store has been opened again; reads continue. All error
// responses are in problems.go.
//
// Source: GitHub's attestations API, see package attestations. See TestKill,
// TestPowerLoss, TestConcurrentPosts.
package evidence
