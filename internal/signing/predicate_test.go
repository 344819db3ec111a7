// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzCompact checks that the same spaces are removed as by the library.
func FuzzCompact(f *testing.F) {
	for _, text := range []string{`{}`, ` { "a b" : [ 1 , "\\" , "\"  \"" ] }`, "{\"\\\\\"\n:\t\" \\t \"\r}", `"\\\\" `} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		want := jsontext.Value(bytes.Clone(raw))
		if !want.IsValid() {
			return
		}
		if err := want.Compact(); err != nil {
			t.Fatal(err)
		}
		if got := compact(bytes.Clone(raw)); !bytes.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
