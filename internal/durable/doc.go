// Package durable writes files so that they outlive a crash: what a call has
// returned from is on the disk, under its name, whole.
//
// [WriteFile] replaces a file at once (write beside it, fsync, rename, fsync of
// the directory), [Replace] does so by way of one fixed name, [CreateFile] refuses to replace, [AddLine] adds to a file
// that others add to at the same time, [Batch] does many files with one fsync per
// directory, [CreateDir] makes a whole directory or none, [Lock] keeps a second process out, and [Journal] is a file of
// checksummed records with one fdatasync each.
//
// An error of fsync is final: the kernel may have dropped the pages already, so
// trying again proves nothing. Callers stop writing.
//
// Proof: TestJournalTornAnywhere, and the kill tests of package tilelog.
package durable
