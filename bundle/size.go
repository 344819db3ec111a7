package bundle

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// The size of the largest bundle in JSON tokens and levels: 32 entries of 64
// hashes and some 50 other tokens, 32 timestamps, 10 certificates, and leave for
// what a decoder then refuses by name.
const (
	maxTokens = 8192
	maxDepth  = 16
)

// checkSize counts tokens and levels before a decoder allocates something for
// each of them. What the tokens are is for the decoder to judge.
func checkSize(raw []byte) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for range maxTokens {
		if _, err := d.ReadToken(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if d.StackDepth() > maxDepth {
			return fmt.Errorf("deeper than %d levels", maxDepth)
		}
	}
	return fmt.Errorf("more than %d values", maxTokens)
}
