// SPDX-License-Identifier: Apache-2.0

// Package tilelog is the append-only engine under both logs: a Merkle tree in the
// layout of tlog-tiles.
//
//	checkpoint            the signed tree head that readers see
//	tile/…                hashes and entries, immutable once they are there
//	the journal           batches that are promised but not yet in tiles
//	notes                 that there is a log, or it was lost; and what it was seen with
//
// Where these lie is a [Storage]: package posix has them in a directory, for one process.
//
// # Life of an entry
//
// Append puts the entry on a queue. One goroutine, the sequencer, takes all
// that wait as a batch. It waits for its [Turn] in the [Journal], and replays what
// other writers have promised. Then it assigns indices, adds the leaves to the tree,
// signs the checkpoint of the new size, commits entries and checkpoint to the
// journal, and only then answers. Each caller makes its own inclusion proof, and
// verifies it before returning it.
//
// A second goroutine, the publisher, writes tiles and then the checkpoint for
// all batches since the last time. What is published needs the journal no more.
// Where witnesses are asked, a third, the exposer, stands between: the publisher's
// checkpoint is called head then, and checkpoint is what witnesses have cosigned of
// it. docs/life-of-a-leaf.md follows an entry through all of them.
//
// # Reading
//
// [Log.Entry], [Log.Entries], [Log.Latest], [Log.ProveInclusion], [Log.ProveConsistency]
// and [Log.Wait] read what is published, of an open log and of a [Frozen] one. Services
// read their own log by these, and by no other way. [Log.Handler] serves the files.
//
// # Kinds of logs
//
// The engine knows nothing of what entries say. A log is a service of its own over it, and
// has three places to differ in: [Format] (how entries lie in tiles, and what their leaf
// hash is over), [Options] (signers of checkpoints, witnesses, duplicates) and
// [Pending] (an entry that is known, or one that is made when its index is). Package rekorlog
// logs entries of tlog-tiles and answers duplicates with their first index; package ctlog has
// the tiles of static-ct-api, and entries with index and time inside. Neither imports the
// other. A third one is another package with a Format.
//
// # What holds
//
//   - An answered entry survives kill -9 and power loss, given a disk that keeps
//     what fsync has acknowledged.
//   - One checkpoint per size is ever given out: after a crash it comes from the
//     journal, signature and all, or the size was never answered.
//   - The published checkpoint never runs ahead of the tiles.
//   - After any error of disk or signer nothing more is promised: appends answer
//     [ErrFailed], reads go on, and the log is opened again, from the disk, until
//     that goes well.
//   - A log whose storage was lost is not begun anew, and one whose storage is older
//     than what is known outside of it does not go on.
//   - Several writers of one storage lose nothing of each other, and log nothing twice.
//   - Open reads the right edge of the tree, and refuses storage where that does
//     not lead to its checkpoint's root. Damage further in gets into no proof, as
//     each is verified before it is given out; checking the whole log finds it.
//
// Proof: TestKill, TestPowerLoss, TestDiskFails, TestModel, TestEveryFileDamaged,
// TestTwoWriters, TestModelShared.
//
// Source: https://c2sp.org/tlog-tiles, https://c2sp.org/static-ct-api.
package tilelog
