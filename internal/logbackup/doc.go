// SPDX-License-Identifier: Apache-2.0

// Package logbackup copies a transparency log in the layout of package tilelog,
// also while it is served, and restores a lost log from a copy.
//
//	TARGET/checkpoint     of the complete tree; written last
//	TARGET/tile/…         the tiles of that tree, and no others
//	TARGET/issuer/…       issuer certificates of a CT log
//	TARGET/lock, tmp/     of a running backup
//
// A copy begins with the signed checkpoint and goes down: the partial tiles of
// the right edge must lead to its root, each full tile to the hash above it,
// and the entries to their leaf hashes. A file is written only after it has
// been verified, so a backup contains no damaged file. Full tiles never change.
// Those below the target's checkpoint are not read again, unless Options.Full
// is set; files of an interrupted run are verified and reused.
//
// Journal and leaves are not copied: the entries of the journal are in no
// published checkpoint, and package tilelog rebuilds leaves. A backup may
// therefore lack acknowledged entries. A log restored from it assigns their
// indices to others and is a fork to those who have seen them. The caller must
// first check what is known to have been seen, with [Tree.Follows] and
// [Tree.Prove].
//
// See TestBackupWhileServing, TestKilled, TestPowerLoss, TestEveryFileDamaged.
//
// Source: https://c2sp.org/tlog-tiles, https://c2sp.org/static-ct-api.
package logbackup
