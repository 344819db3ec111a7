// SPDX-License-Identifier: Apache-2.0

// Package posix keeps a log in a directory, for one process at a time. It is the first
// implementation of [tilelog.Storage].
//
//	DIR/checkpoint, head  objects that are replaced
//	DIR/tile/…            objects that never change
//	DIR/journal           batches that are promised but not yet in tiles
//	DIR/leaves/…          package dedup: the index of each leaf, rebuilt if missing
//	DIR/tmp/…             files being written, without meaning after a crash
//	DIR/lock              keeps a second process out
//	DIR.begun             the start marker: a log was begun in DIR
//
// The lock on DIR is the turn of the process, so a turn costs nothing. A commit is one write
// and one fdatasync. When all batches in the journal are forgotten, the journal is rewound,
// and its blocks are overwritten.
//
// Proof: the tests of package tilelog run on it, with kill -9, power failures and disks
// that fail.
package posix
