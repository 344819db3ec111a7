// SPDX-License-Identifier: Apache-2.0

// Package disktest provides a disk in memory that fails on demand and loses
// power, for tests of durable storage.
//
// It tracks synced and merely written data separately. After a power failure,
// each sector written since the last sync of its file, and each name created,
// renamed or removed since the last sync of its directory, either exists or
// not, independently of all others. No real file system guarantees less order,
// so whatever survives here survives on all of them. After a failed sync, the
// data in question no longer counts as written (as on Linux, where the pages
// are marked clean), and may be lost even without a power failure.
//
// TestPowerLoss checks the guarantees of the disk itself.
package disktest
