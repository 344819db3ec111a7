// SPDX-License-Identifier: Apache-2.0

package sct

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// maxChain bounds the issuers of one logged precertificate.
const maxChain = 16

// A Leaf is one entry of a CT log, as its data tiles contain it (static-ct-api,
// "Log entries", TileLeaf).
type Leaf struct {
	Timestamp      uint64     // milliseconds since 1970
	Entry          Precert    // what the log signed
	Extensions     []byte     // extensions of the SCT
	PreCertificate []byte     // DER, as submitted
	Chain          [][32]byte // SHA-256 of each issuer's certificate
}

// MerkleTreeLeaf returns the bytes whose leaf hash is in the tree (RFC 6962
// §3.4): version v1, type timestamped_entry, TimestampedEntry.
func (l Leaf) MerkleTreeLeaf() ([]byte, error) {
	return timestamped(l.Timestamp, l.Entry, l.Extensions)
}

// Marshal returns the TileLeaf.
func (l Leaf) Marshal() ([]byte, error) {
	leaf, err := l.MerkleTreeLeaf()
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddBytes(leaf[2:]) // the TimestampedEntry
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(l.PreCertificate) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, fingerprint := range l.Chain {
			b.AddBytes(fingerprint[:])
		}
	})
	raw, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("marshalling CT log entry: %w", err)
	}
	return raw, nil
}

// ParseLeaf parses the first entry of a data tile and returns the rest of the
// tile. It refuses entries of final certificates (x509_entry), since Sigstore
// logs contain precertificates only.
func ParseLeaf(tile []byte) (Leaf, []byte, error) {
	var l Leaf
	var kind uint16
	var keyHash []byte
	var tbs, extensions, precert, chain cryptobyte.String
	in := cryptobyte.String(tile)
	if !in.ReadUint64(&l.Timestamp) || !in.ReadUint16(&kind) {
		return Leaf{}, nil, errors.New("parsing CT log entry: truncated")
	}
	if kind != 1 {
		return Leaf{}, nil, fmt.Errorf("parsing CT log entry: type %d, want 1 (precert_entry)", kind)
	}
	if !in.ReadBytes(&keyHash, len(l.Entry.IssuerKeyHash)) ||
		!in.ReadUint24LengthPrefixed(&tbs) || !in.ReadUint16LengthPrefixed(&extensions) ||
		!in.ReadUint24LengthPrefixed(&precert) || !in.ReadUint16LengthPrefixed(&chain) {
		return Leaf{}, nil, errors.New("parsing CT log entry: truncated")
	}
	if len(chain)%32 != 0 || len(chain)/32 > maxChain {
		return Leaf{}, nil, fmt.Errorf("parsing CT log entry: chain of %d bytes", len(chain))
	}
	for len(chain) > 0 {
		l.Chain = append(l.Chain, [32]byte(chain[:32]))
		chain = chain[32:]
	}
	l.Entry = Precert{IssuerKeyHash: [32]byte(keyHash), TBS: tbs}
	l.Extensions, l.PreCertificate = extensions, precert
	return l, in, nil
}

// leafIndex is the type of the only extension that static-ct-api defines.
const leafIndex = 0

// maxLeafIndex is the largest index that fits the 40 bits of a leaf_index
// extension.
const maxLeafIndex = 1<<40 - 1

// LeafIndexExtension returns an extensions field with leaf_index only
// (static-ct-api, "SCT Extension"): 00 0005 and the index in 40 bits.
func LeafIndexExtension(index uint64) ([]byte, error) {
	if index > maxLeafIndex {
		return nil, fmt.Errorf("leaf index %d has more than 40 bits", index)
	}
	return []byte{leafIndex, 0, 5,
		byte(index >> 32), byte(index >> 24), byte(index >> 16), byte(index >> 8), byte(index)}, nil
}

// ParseLeafIndex returns leaf_index from the extensions of an SCT and reports
// whether it is present. Unknown extensions are skipped; duplicate extensions
// are refused.
func ParseLeafIndex(extensions []byte) (index uint64, ok bool, err error) {
	in := cryptobyte.String(extensions)
	var seen [256]bool
	for !in.Empty() {
		var kind uint8
		var data cryptobyte.String
		if !in.ReadUint8(&kind) || !in.ReadUint16LengthPrefixed(&data) {
			return 0, false, errors.New("parsing SCT extensions: truncated")
		}
		if seen[kind] {
			return 0, false, fmt.Errorf("parsing SCT extensions: type %d twice", kind)
		}
		seen[kind] = true
		if kind != leafIndex {
			continue
		}
		if len(data) != 5 {
			return 0, false, fmt.Errorf("parsing SCT extensions: leaf_index of %d bytes", len(data))
		}
		for _, b := range data {
			index = index<<8 | uint64(b)
		}
		ok = true
	}
	return index, ok, nil
}
