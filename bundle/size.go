// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of JSON tokens and levels. The largest bundle has 32 entries of 64 hashes and some 50
// other tokens, 32 timestamps and 10 certificates. The rest is room for inputs that a decoder
// then refuses with a more specific error.
const (
	maxTokens = 8192
	maxDepth  = 16
)

// maxWord bounds names, numbers and names of algorithms in JSON, in bytes. A decoder quotes a
// refused one several times.
const maxWord = 64

// words lists the members whose value is a number or an algorithm, in both spellings of
// protobuf.
var words = []string{"algorithm", "integratedTime", "integrated_time", "logIndex", "log_index", "treeSize", "tree_size"}

// A span is the position of a payload in JSON, between its quotes. The zero span means that
// there is none, or that it contains escapes.
type span struct{ from, to int }

func (s span) in(raw []byte) []byte { return raw[s.from:s.to] }

// without returns raw with an empty payload.
func (s span) without(raw []byte) []byte {
	if s.from == s.to {
		return raw
	}
	return slices.Concat(raw[:s.from], raw[s.to:])
}

// Names of the members on the path to the payload, for a bundle and for a bare envelope.
// Protobuf has two spellings of one of them.
var (
	payloadInBundle   = [][]string{{"dsseEnvelope", "dsse_envelope"}, {"payload"}}
	payloadInEnvelope = [][]string{{"payload"}}
)

// checkSize counts tokens and levels before a decoder allocates memory for each of them. It
// leaves other checks to the decoder. It returns the position of the payload, which is at the
// end of path and is decoded in place.
func checkSize(raw []byte, path [][]string) (payload span, err error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	word := false // whether the next string must be short
	way := 0      // number of members of path that enclose the position
	for range maxTokens {
		before := int(d.InputOffset())
		token, err := d.ReadToken()
		if err == io.EOF {
			return payload, checkMaterial(raw, payload)
		} else if err != nil {
			return span{}, err
		}
		depth := d.StackDepth()
		if depth > maxDepth {
			return span{}, fmt.Errorf("deeper than %d levels", maxDepth)
		}
		kind, n := d.StackIndex(depth)
		isName := kind == '{' && n%2 == 1
		if token.Kind() == '"' && !isName && depth > 0 && way == len(path) && depth == way && payload.to == 0 {
			payload = plain(raw, before, int(d.InputOffset()))
		}
		if token.Kind() != '0' && (token.Kind() != '"' || !isName && !word) {
			word = false
			continue
		}
		text := token.String()
		if len(text) > maxWord {
			return span{}, errors.New("a name or number of more than 64 bytes")
		}
		word = isName && slices.Contains(words, text)
		if isName && depth <= len(path) {
			way = min(way, depth-1)
			if way == depth-1 && slices.Contains(path[way], text) {
				way++
			}
		}
	}
	return span{}, fmt.Errorf("more than %d values", maxTokens)
}

// checkMaterial limits the size without the payload. That part is copied several times.
func checkMaterial(raw []byte, payload span) error {
	if n := len(raw) - (payload.to - payload.from); n > maxMaterial {
		return fmt.Errorf("%d bytes without the payload, want at most %d", n, maxMaterial)
	}
	return nil
}

// plain returns the span of the string that ends at end, or zero if it has escapes.
func plain(raw []byte, from, end int) span {
	from += bytes.IndexByte(raw[from:end], '"') + 1
	if bytes.IndexByte(raw[from:end-1], '\\') >= 0 {
		return span{}
	}
	return span{from, end - 1}
}
