// Package disktest is a disk in memory that fails when it is told to and loses
// power, for tests of what promises to be durable.
//
// It keeps apart what has been synced and what has only been written. When the
// power fails, every sector written since the last sync of its file, and every
// name made, moved or removed since the last sync of its directory, is there or
// is not, each for itself: less order than any file system keeps, so what
// survives here survives on all of them. After a sync that failed, what it should
// have written counts as written no more (as on Linux, where the pages are marked
// clean), and may be gone even without a power failure.
//
// Proof: TestPowerLoss holds the disk's own promises.
package disktest
