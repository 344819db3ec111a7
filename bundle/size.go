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

// checkSize counts tokens and levels before a decoder allocates something for
// each of them. What the tokens are is for the decoder to judge.
func checkSize(raw []byte) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	word := false // whether the next string must be short
	for range maxTokens {
		token, err := d.ReadToken()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		depth := d.StackDepth()
		if depth > maxDepth {
			return fmt.Errorf("deeper than %d levels", maxDepth)
		}
		kind, n := d.StackIndex(depth)
		isName := kind == '{' && n%2 == 1
		if token.Kind() != '0' && (token.Kind() != '"' || !isName && !word) {
			word = false
			continue
		}
		text := token.String()
		if len(text) > maxWord {
			return errors.New("a name or number of more than 64 bytes")
		}
		word = isName && slices.Contains(words, text)
	}
	return fmt.Errorf("more than %d values", maxTokens)
}
