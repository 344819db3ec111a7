// SPDX-License-Identifier: Apache-2.0

// Package durable writes files that survive a crash: once a call has returned,
// its result is on the disk, complete and under its name.
//
// [WriteFile] replaces a file atomically (temporary file, fsync, rename, fsync
// of the directory). [Replace] does so with one fixed temporary name.
// [CreateFile] refuses to replace. [AddLine] appends to a file that others
// append to at the same time. [Batch] writes many files with one fsync per
// directory. [CreateDir] creates a whole directory or none. [Lock] keeps a
// second process out. A [Journal] is a file of checksummed records with one
// fdatasync each.
//
// An error of fsync is final: the kernel may have dropped the pages already, so
// trying again proves nothing. Callers must stop writing.
//
// See TestJournalTornAnywhere and the kill tests of package tilelog.
package durable
