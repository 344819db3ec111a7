// SPDX-License-Identifier: Apache-2.0

// Package logread reads transparency logs and verifies what it reads, over HTTP
// or in a directory, in the layout of tlog-tiles or static-ct-api.
//
//	checkpoint            the signed tree head
//	tile/0/x001/x234/067  hashes
//	tile/entries/…        entries (tlog-tiles), tile/data/… (static-ct-api)
//	issuer/HEX            issuer certificates of the entries of a CT log
//
// [Log.Head] verifies the checkpoint. All other results are verified against
// its root. [Log.Check] derives the whole tree from the entries and names each
// file that is damaged, missing or superfluous. [Log.Follow] reads checkpoint
// after checkpoint, each of which must be consistent with the last.
//
// It refuses files that are too long for their kind, checkpoints of logs
// without a given key, and tiles with trailing data. In the directory of an
// instance it ignores the files of the engine: journal, lock, and leaves/,
// which is rebuilt if missing.
//
// See TestEveryFileDamaged. In interop, TestTessera has another implementation
// read our logs, and this one read logs of Tessera.
//
// Source: https://c2sp.org/tlog-tiles, https://c2sp.org/static-ct-api.
package logread
