// SPDX-License-Identifier: Apache-2.0

package find

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Encoding returns what is wrong with a text that should be JSON in UTF-8, in words that
// name its encoding, or the place of a mistake; else err.
func Encoding(raw []byte, err error) error {
	text := bytes.TrimSpace(raw)
	switch {
	case len(text) == 0:
		return errors.New("it is empty")
	case bytes.HasPrefix(raw, []byte("\xff\xfe")), bytes.HasPrefix(raw, []byte("\xfe\xff")), bytes.IndexByte(raw[:min(len(raw), 64)], 0) >= 0:
		return errors.New("it is UTF-16, want UTF-8: PowerShell's > writes UTF-16, 'Out-File -Encoding utf8' does not")
	case bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")):
		return errors.New("it begins with a byte order mark, which JSON must not have (RFC 8259 §8.1)")
	case text[0] == '<':
		return errors.New("it is XML, want JSON")
	}
	if at := invalidUTF8(raw); at >= 0 {
		return fmt.Errorf("%s: not UTF-8", place(raw, at))
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if _, mistake := d.ReadValue(); mistake != nil {
		syntactic := new(jsontext.SyntacticError)
		if !errors.As(mistake, &syntactic) {
			return fmt.Errorf("it is not JSON: %w", mistake)
		}
		where := place(raw, int(syntactic.ByteOffset))
		if errors.Is(mistake, jsontext.ErrDuplicateName) {
			return fmt.Errorf("%s: %q stands there twice", where, string(syntactic.JSONPointer))
		}
		return fmt.Errorf("%s: not JSON: %w", where, syntactic.Err)
	}
	if end := int(d.InputOffset()); len(bytes.TrimSpace(raw[end:])) > 0 {
		return fmt.Errorf("%s: something follows the JSON value", place(raw, end))
	}
	return err
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(raw []byte) int {
	if utf8.Valid(raw) {
		return -1
	}
	for at := 0; ; {
		r, size := utf8.DecodeRune(raw[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
}

// place returns an offset as line and column, both from 1; columns are bytes.
func place(raw []byte, offset int) string {
	before := raw[:min(max(offset, 0), len(raw))]
	return fmt.Sprintf("line %d, column %d", 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n'))
}
