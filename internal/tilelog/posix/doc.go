// SPDX-License-Identifier: Apache-2.0

// Package posix keeps a log in a directory, for one process at a time. It is the first
// implementation of [tilelog.Storage].
//
//	DIR/checkpoint, head  objects that are replaced
//	DIR/tile/…            objects that never change
//	DIR/journal           batches that are promised but not yet in tiles
//	DIR/leaves/…          package dedup: which index a leaf has, made again where it is missing
//	DIR/tmp/…             files that are being written, of no meaning after a crash
//	DIR/lock              keeps a second process out
//	DIR.begun             the start marker: there is a log in DIR, or it was lost
//
// A turn costs nothing, as the lock on DIR is the turn of the process. A commit is one write
// and one fdatasync. When all batches in the journal are forgotten, it is rewound, and its
// blocks are written over.
//
// Proof: the tests of package tilelog run on it, with kill -9, power failures and disks
// that fail.
package posix
