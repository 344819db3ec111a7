// Package logbackup copies a transparency log, in the layout that package tilelog
// gives it, while it is served, and puts a copy where a log was lost.
//
//	TARGET/checkpoint     of the tree that is there whole; written last
//	TARGET/tile/…         the tiles of that tree, and no others
//	TARGET/issuer/…       certificates of a CT log's issuers
//	TARGET/lock, tmp/     of a backup that is being made
//
// A copy begins with the signed checkpoint and goes down: the partial tiles of the
// right edge must lead to its root, each full tile to the hash above it, and the
// entries to their leaf hashes. A file is written once it is verified, so whatever is
// in a backup was verified, and what is damaged in a log gets into none. Full tiles
// never change: below the checkpoint that the target has they are not looked at again,
// unless all are asked for, and beyond it what an earlier run has left is verified and
// stays.
//
// Not copied are journal and leaves: what the journal alone has is in no checkpoint
// that readers have seen, and package tilelog makes leaves again. So entries may have
// been acknowledged that a backup does not have. A log that goes on from there
// gives their indices to others, and is two logs to whoever has seen them: what is
// known to have been seen must be asked for first, which is the caller's to do, with
// [Tree.Follows] and [Tree.Prove].
//
// Proof: TestBackupWhileServing, TestKilled, TestPowerLoss, TestEveryFileDamaged.
//
// Source: https://c2sp.org/tlog-tiles, https://c2sp.org/static-ct-api.
package logbackup
