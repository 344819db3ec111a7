// SPDX-License-Identifier: Apache-2.0

package rekor

import (
	"encoding/base64"

	"github.com/go-json-experiment/json/jsontext"
)

// A writer appends members as protobuf JSON writes them: bytes are in base64.
type writer struct {
	b   []byte
	err error // the first
}

func (w *writer) raw(text string) { w.b = append(w.b, text...) }

func (w *writer) bytes(name string, v []byte) {
	w.b = append(append(w.b, name...), '"')
	w.b = append(base64.StdEncoding.AppendEncode(w.b, v), '"')
}

func (w *writer) text(name, v string) {
	quoted, err := jsontext.AppendQuote(append(w.b, name...), v)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.b = quoted
}
