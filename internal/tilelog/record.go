package tilelog

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// record is one batch in the journal: what it adds, and the checkpoint that was
// signed over the result. By base a reader knows what it follows.
type record struct {
	base       uint64 // size of the log before the batch
	checkpoint []byte // signed, of the size after it
	entries    [][]byte
}

func (r record) end() uint64 { return r.base + uint64(len(r.entries)) }

// marshal: base, then the checkpoint and each entry after 24 bits of length.
func (r record) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint64(r.base)
	for _, field := range append([][]byte{r.checkpoint}, r.entries...) {
		b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(field) })
	}
	raw, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("marshalling journal record: %w", err)
	}
	return raw, nil
}

func parseRecord(raw []byte) (record, error) {
	var r record
	in := cryptobyte.String(raw)
	var field cryptobyte.String
	if !in.ReadUint64(&r.base) || !in.ReadUint24LengthPrefixed(&field) {
		return record{}, errors.New("parsing journal record: truncated")
	}
	r.checkpoint = field
	for !in.Empty() {
		if !in.ReadUint24LengthPrefixed(&field) {
			return record{}, errors.New("parsing journal record: truncated")
		}
		r.entries = append(r.entries, field)
	}
	return r, nil
}
