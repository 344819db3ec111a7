// SPDX-License-Identifier: Apache-2.0

// Package witness reads and writes the request by which a log asks a witness to
// cosign a checkpoint. The request has the size that the witness cosigned last,
// a consistency proof from that size, and the checkpoint.
//
// It refuses sizes and hashes in other than their canonical form, more than 63
// hashes, lines that do not end in a newline, and requests beyond [MaxRequest].
// A witness responds with lines of a signed note, which package checkpoint
// reads. If it has cosigned another size it responds with that size; see
// [ParseSize].
//
// Source: https://c2sp.org/tlog-witness, "add-checkpoint".
package witness
