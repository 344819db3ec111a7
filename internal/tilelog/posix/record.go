// SPDX-License-Identifier: Apache-2.0

package posix

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hallmark-sign/hallmark/internal/tilelog"
)

// marshalRecord returns a batch as a record of the journal: the base, then the checkpoint and
// each entry after 24 bits of length.
func marshalRecord(p tilelog.Promised) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint64(p.Base)
	for _, field := range append([][]byte{p.Checkpoint}, p.Entries...) {
		b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(field) })
	}
	raw, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("marshalling journal record: %w", err)
	}
	return raw, nil
}

func parseRecord(raw []byte) (tilelog.Promised, error) {
	var p tilelog.Promised
	in := cryptobyte.String(raw)
	var field cryptobyte.String
	if !in.ReadUint64(&p.Base) || !in.ReadUint24LengthPrefixed(&field) {
		return tilelog.Promised{}, errors.New("parsing journal record: truncated")
	}
	p.Checkpoint = field
	for !in.Empty() {
		if !in.ReadUint24LengthPrefixed(&field) {
			return tilelog.Promised{}, errors.New("parsing journal record: truncated")
		}
		p.Entries = append(p.Entries, field)
	}
	return p, nil
}
