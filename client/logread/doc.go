// Package logread reads transparency logs, ours or another's, and verifies what it
// reads: over HTTP or in a directory, in the layout of tlog-tiles or static-ct-api.
//
//	checkpoint            the signed tree head
//	tile/0/x001/x234/067  hashes
//	tile/entries/…        entries (tlog-tiles), tile/data/… (static-ct-api)
//	issuer/HEX            certificates that entries of a CT log name
//
// Head verifies the checkpoint; whatever else is given out leads to its root. Check
// derives the whole tree from the entries and names each file that is damaged, missing
// or superfluous. Follow goes from checkpoint to checkpoint, each of which must go on
// from the last.
//
// It refuses files that are longer than any of their kind, checkpoints of logs that
// no key is given for, and tiles with trailing data. In the directory of an instance
// it leaves what is the engine's alone: journal, lock, and leaves/, which is made
// again where it is missing.
//
// Proof: TestEveryFileDamaged; interop's TestTessera has another implementation judge
// our logs, and this one judge logs of that.
//
// Source: https://c2sp.org/tlog-tiles, https://c2sp.org/static-ct-api.
package logread
