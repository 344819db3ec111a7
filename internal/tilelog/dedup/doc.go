// SPDX-License-Identifier: Apache-2.0

// Package dedup maps the leaf hashes of a log to indices, on disk. An entry that is submitted
// again gets its first index, at any size of the log and after restarts, in a few megabytes of
// memory.
//
//	DIR/0-8388608          runs: the leaves of indices START to END-1, sorted
//	DIR/8388608-8421376
//	DIR/.tmp-…             a run being written, of no meaning after a crash
//
// The newest leaves, up to 32,768, are in a table in memory. A full table is written as a run
// in the background. Runs are merged, also in the background, until each is three times as
// long as all newer ones together: ten million leaves take at most five runs. A lookup asks
// the filter of each run, and reads one block unless the filter rules the key out. Runs never
// change.
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
// A key is the first 16 bytes of a leaf hash, which is still collision-resistant. Numbers are
// big-endian. If several leaves have the same hash, the index holds the lowest.
//
// # What holds
//
// The index is a cache of the log's tiles, so its files need not be durable: Open rebuilds
// what they lack. Open uses the runs that follow each other from index 0 on. It removes runs
// that end beyond the log's size, runs that do not end in the log's leaf, runs whose ends are
// damaged, and runs after a gap. A damaged block is found when it is read, and reported as
// errDamaged. Find never answers from bytes whose checksum is wrong.
// from bytes whose checksum is wrong.
//
// Proof: TestModel, TestEveryByteDamaged, TestCrash, TestPowerFails.
package dedup
