// SPDX-License-Identifier: Apache-2.0

package posix

import (
	"testing"

	"github.com/hallmark-sign/hallmark/internal/tilelog"
)

func FuzzParseRecord(f *testing.F) {
	raw, err := marshalRecord(tilelog.Promised{Base: 7, Checkpoint: []byte("checkpoint"), Entries: [][]byte{[]byte("entry"), nil}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parseRecord(raw)
		if err != nil {
			return
		}
		if again, err := marshalRecord(r); err != nil || string(again) != string(raw) {
			t.Errorf("%x comes back as %x, %v", raw, again, err)
		}
	})
}
