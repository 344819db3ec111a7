// SPDX-License-Identifier: Apache-2.0

// Package tilelog is the append-only engine under both logs: a Merkle tree in the
// layout of tlog-tiles.
//
//	checkpoint            the signed tree head that readers see
//	tile/…                hashes and entries, immutable once written
//	the journal           batches that are promised but not yet in tiles
//	notes                 records that the log exists, and of what it was seen with
//
// A [Storage] holds these. Package posix keeps them in a directory, for one process.
//
// # Life of an entry
//
// Append puts the entry on a queue. One goroutine, the sequencer, takes all waiting entries as
// a batch. It waits for its [Turn] in the [Journal], and replays what other writers have
// promised. Then it assigns indices, adds the leaves to the tree, signs the checkpoint of the
// new size, commits entries and checkpoint to the journal, and only then answers. Each caller
// builds its own inclusion proof, and verifies it before returning it.
//
// A second goroutine, the publisher, writes tiles and then the checkpoint for all batches
// since the last publication. Published batches are no longer needed in the journal. If the
// log has witnesses, a third goroutine, the cosigning loop, follows the publisher. The
// publisher's checkpoint is then named head, and the cosigning loop writes checkpoint, which
// witnesses have cosigned. docs/life-of-a-leaf.md follows an entry through all of them.
//
// # Reading
//
// [Log.Entry], [Log.Entries], [Log.Latest], [Log.ProveInclusion], [Log.ProveConsistency] and
// [Log.Wait] read the published part of an open log or of a [Frozen] one. Services read their
// own log only through these methods. [Log.Handler] serves the files.
//
// # Kinds of logs
//
// The engine does not interpret entries. A log is a service of its own over it, and differs
// from others in three places: [Format] (how tiles encode entries, and what their leaf hash
// covers), [Options] (signers of checkpoints, witnesses, duplicates) and [Pending] (an entry
// that is complete, or one that is built once its index is known). Package rekorlog logs
// entries of tlog-tiles and answers duplicates with their first index. Package ctlog has the
// tiles of static-ct-api, and entries that contain their index and time. Neither imports the
// other. Another kind of log is another package with a Format.
//
// # Guarantees
//
//   - An answered entry survives kill -9 and power loss, if the disk keeps
//     what fsync has acknowledged.
//   - The log releases one checkpoint per size. After a crash the checkpoint comes from
//     the journal, signature included, or its size was never answered.
//   - The published checkpoint never runs ahead of the tiles.
//   - After any error of disk or signer nothing more is promised: appends return
//     [ErrFailed], reads go on, and the log is reopened from the disk until
//     that succeeds.
//   - A log whose storage was lost is not created anew, and a log whose storage is older
//     than what is known outside of it does not go on.
//   - Several writers of one storage lose none of each other's entries, and log
//     nothing twice.
//   - Open reads the right edge of the tree, and refuses storage whose edge does
//     not lead to its checkpoint's root. Damage elsewhere never gets into a proof, as
//     each proof is verified before it is returned. Checking the whole log finds it.
//
// Proof: TestKill, TestPowerLoss, TestDiskFails, TestModel, TestEveryFileDamaged,
// TestTwoWriters, TestModelShared.
//
// Source: https://c2sp.org/tlog-tiles, https://c2sp.org/static-ct-api.
package tilelog
