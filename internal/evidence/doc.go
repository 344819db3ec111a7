// Package evidence is the evidence store: it keeps bundles by the digest of what
// they are about, and gives them to whoever asks.
//
//	POST /api/v1/bundles/sha256:HEX   {"bundle":{…}}, at most 32 MiB; 201
//	GET  /api/v1/bundles/sha256:HEX   ?per_page=1…100 &after=ID or &before=ID &predicate_type=URI
//
// Nobody logs in to post. The store keeps what it can verify itself: the bundle must
// be of the artifact in the path, and everything in it (certificate, entries,
// timestamps) must be of an authority or a log of the instance's trusted root. So
// there is nothing in it that the log does not hold. Bundles with a key are refused:
// anybody can make keys, and nothing would bound what they fill.
//
// Of one log entry a digest has one bundle: posted again, in another spelling, it is
// answered with 201 and stored once, as it first came. Only what more vouch for (logs,
// timestamp authorities, the instance's witnesses) than for any that is there is kept
// beside it, so that nobody hides cosignatures by coming first without them. It is
// stored as v0.3, whatever it came as, and without the envelope's key identifier,
// which nothing vouches for.
//
// One entry fills no more than a digest has room for, 64 MiB under all its subjects
// together, and may have 64 KiB besides its statement. One signer has no more of a
// digest than half of what the others leave.
//
//	DIR/lock
//	DIR/tmp/                                   being written; emptied at the start
//	DIR/sha256/9f/9f86…/000001-LOG-INDEX-TYPE-SIGNER-PROOFS.json  in the order in which they came
//
// LOG and INDEX are the entry, TYPE the start of the SHA-256 of the statement's
// predicate type, or "none"; SIGNER that of who signed, PROOFS those of who vouches.
// Names without the last two, of stores of before, are read too. A bundle is answered for once it is on the disk: kill
// -9 loses none, and leaves none half-written. Files are never changed or taken
// away; whoever deletes one takes it out of the store. A failed write stops posts
// for good (503), reads go on. Errors are in problems.go, all of them.
//
// Source: GitHub's attestations API, see package attestations. Proof: TestKill,
// TestPowerLoss, TestConcurrentPosts.
package evidence
