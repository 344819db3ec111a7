// Package witness is the request by which a log asks a witness to cosign a
// checkpoint: the size that the witness has seen, the proof from there, and the
// checkpoint.
//
// It refuses sizes and hashes in other than their canonical form, more than 63
// hashes, lines that do not end in a newline, and requests beyond MaxRequest. What a
// witness answers is lines of a signed note, for package checkpoint; but for
// [ParseSize], which reads the answer that another size was seen.
//
// Source: https://c2sp.org/tlog-witness, "add-checkpoint".
package witness
