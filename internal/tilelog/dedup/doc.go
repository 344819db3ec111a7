// SPDX-License-Identifier: Apache-2.0

// Package dedup is a log's map from leaf hashes to indices, on disk: by it
// the same entry submitted again gets its first index, at any size of the log
// and after restarts, in a few megabytes of memory.
//
//	DIR/0-8388608          runs: the leaves of indices START to END-1, sorted
//	DIR/8388608-8421376
//	DIR/.tmp-…             a run being written, of no meaning after a crash
//
// The newest leaves, up to 32,768, are in a table in memory. A full table is
// written as a run behind the caller's back, and runs are merged there until
// each is three times as long as all newer ones together: ten million leaves
// are in five runs at most. A lookup asks the filter of each, and reads one block
// where that does not say no. Runs never change.
//
//	0000  9f86d081884c7d659a2feaa0c55ad015 00000000002a   key, index: 186 records
//	0016  a1…                                             a block, in order of keys
//	0ffc  5d1c94ef                                        CRC-32C of the block
//	1000  …                                               more blocks, the last one
//	                                                      filled up with zeros
//	      9f86d081884c7d659a2feaa0c55ad015                first key of each block
//	      …
//	      0040000100000820…                               filter: 4 bits a leaf
//	      hallmark/leaves1                                magic and version
//	      0000000000000000 0000000000008000               START, END
//	      0000000000008000                                number of records
//	      e3b0c442…                                       leaf hash of END-1, whole
//	      0cc175b9                                        CRC-32C from the first keys on
//
// A key is the first 16 bytes of a leaf hash, which is still collision-free;
// numbers are big-endian. Of leaves with the same hash the lowest index counts.
//
// # What holds
//
// It is a cache of what the log's tiles say, so nothing is promised of its
// files, and Open makes again what they lack. It takes runs that follow each
// other from 0 on; those beyond the log's size, those that do not end in the
// log's leaf, those whose ends are damaged, and those behind a gap it removes.
// A damaged block is found when it is read: errDamaged. There is no answer
// from bytes whose checksum is wrong.
//
// Proof: TestModel, TestEveryByteDamaged, TestCrash, TestPowerFails.
package dedup
