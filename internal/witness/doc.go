// Package witness keeps logs honest, from both sides: a Witness cosigns the
// checkpoints of logs that it knows, each consistent with the one before; Peers
// are the witnesses that a log asks to cosign its own.
//
// A witness never signs backwards: what it has cosigned last is on its disk before
// the cosignature is given out, one file a log, and a second process is refused.
// It knows nothing but sizes and roots, so what is in a log is not its business.
//
//	DIR/lock
//	DIR/<SHA-256 of the origin, hex>   the last checkpoint cosigned, as the log signed it
//	DIR.begun                          what that was at least, so that a state that was lost or went back is noticed
//
// Source: https://c2sp.org/tlog-witness, https://c2sp.org/tlog-cosignature.
// Proof: TestNeverBackwards, on a disk that loses power.
package witness
