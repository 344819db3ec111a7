// SPDX-License-Identifier: Apache-2.0

// Package witness implements both sides of witnessing. A [Witness] cosigns the checkpoints of
// configured logs, each consistent with the one before. [Peers] holds the witnesses that a log
// asks to cosign its own checkpoints.
//
// A witness never cosigns an older or inconsistent checkpoint: the last one is
// on its disk, in one file per log, before the cosignature is returned, and a
// second process is refused. It handles sizes and roots only, not the entries
// of a log.
//
//	DIR/lock
//	DIR/<SHA-256 of the origin, hex>   the last checkpoint cosigned, as signed by the log
//	DIR.begun                          a lower bound of that, to detect a lost or old state
//
// Source: https://c2sp.org/tlog-witness, https://c2sp.org/tlog-cosignature.
// TestNeverBackwards uses a disk that loses power.
package witness
