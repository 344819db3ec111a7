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

// The size of the largest bundle in JSON tokens and levels: 32 entries of 64
// hashes and some 50 other tokens, 32 timestamps, 10 certificates, and room for
// what a decoder then refuses by name.
const (
	maxTokens = 8192
	maxDepth  = 16
)

// maxWord is the length of names, numbers and names of algorithms in JSON. A
// decoder that refuses one quotes it, several times over.
const maxWord = 64

// words are the members whose value is a number or an algorithm, as protobuf
// spells them.
var words = []string{"algorithm", "integratedTime", "integrated_time", "logIndex", "log_index", "treeSize", "tree_size"}

// span is where a payload stands in JSON, between its quotes; zero: nowhere, or not
// in plain characters.
type span struct{ from, to int }

func (s span) in(raw []byte) []byte { return raw[s.from:s.to] }

// without returns raw with an empty payload.
func (s span) without(raw []byte) []byte {
	if s.from == s.to {
		return raw
	}
	return slices.Concat(raw[:s.from], raw[s.to:])
}

// Names of the members that lead to the payload: of a bundle, and of an envelope
// alone. Protobuf has two spellings of one.
var (
	payloadInBundle   = [][]string{{"dsseEnvelope", "dsse_envelope"}, {"payload"}}
	payloadInEnvelope = [][]string{{"payload"}}
)

// checkSize counts tokens and levels before a decoder allocates something for
// each of them. What the tokens are is for the decoder to judge, but for the payload
// at the end of the path, which is decoded where it stands.
func checkSize(raw []byte, path [][]string) (payload span, err error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	word := false // whether the next string must be short
	way := 0      // how many members of the path we are in
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

// checkMaterial limits what is copied several times: all but the payload.
func checkMaterial(raw []byte, payload span) error {
	if n := len(raw) - (payload.to - payload.from); n > maxMaterial {
		return fmt.Errorf("%d bytes without the payload, want at most %d", n, maxMaterial)
	}
	return nil
}

// plain returns the string that ends at end, if it has no escapes.
func plain(raw []byte, from, end int) span {
	from += bytes.IndexByte(raw[from:end], '"') + 1
	if bytes.IndexByte(raw[from:end-1], '\\') >= 0 {
		return span{}
	}
	return span{from, end - 1}
}
