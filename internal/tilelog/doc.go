// Package tilelog is the append-only engine under both logs: a Merkle tree on
// disk in the layout of tlog-tiles, with one writer.
//
//	DIR/checkpoint        the signed tree head that readers see
//	DIR/tile/…            hashes and entries, immutable once they are there
//	DIR/journal           batches that are promised but not yet in tiles
//	DIR/leaves/…          which index a leaf has, made again where it is missing
//	DIR/lock              keeps a second process out
//	DIR.begun             there is a log in DIR, or it was lost; and what it was seen with
//
// # Life of an entry
//
// Append puts the entry on a queue. One goroutine, the sequencer, takes all
// that wait as a batch: it gives them indices, adds their leaves to the tree,
// signs the checkpoint of the new size, writes entries and checkpoint to the
// journal as one record with one fdatasync, and only then answers. Each caller
// makes its own inclusion proof, and verifies it before giving it out.
//
// A second goroutine, the publisher, writes tiles and then the checkpoint for
// all batches since the last time. What is published needs the journal no more.
// Where witnesses are asked, a third, the exposer, stands between: the publisher's
// checkpoint is DIR/head then, and DIR/checkpoint is what witnesses have cosigned of
// it. docs/life-of-a-leaf.md follows an entry through all of them.
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
//   - A log whose directory was lost is not begun anew, and one whose directory is older
//     than what is known outside of it does not go on.
//   - Open reads the right edge of the tree, and refuses a directory where that does
//     not lead to its checkpoint's root. Damage further in gets into no proof, as
//     each is verified before it is given out; checking the whole log finds it.
//
// Proof: TestKill, TestPowerLoss, TestDiskFails, TestModel, TestEveryFileDamaged.
//
// Source: https://c2sp.org/tlog-tiles, https://c2sp.org/static-ct-api.
package tilelog
