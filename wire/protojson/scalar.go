// SPDX-License-Identifier: Apache-2.0

package protojson

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// A String is a string field.
type String string

// Bytes is a bytes field. It is nil if it is empty.
type Bytes []byte

// An Int64 is a field of type int64, which JSON has as a string.
type Int64 int64

// A Uint32 is a field of type uint32.
type Uint32 uint32

// An Enum is a field of an enum type whose values have the numbers from 0 on.
type Enum struct {
	At    *int32   // the number, also one without a name
	Names []string // by number
}

func (s *String) read(r *reader, name string) error {
	return r.scalar(name, func(v jsontext.Value) bool {
		text, err := unquote(v)
		*s = String(text)
		return err == nil
	})
}

func (s *String) write(w *writer) {
	quoted, err := jsontext.AppendQuote(w.b, string(*s))
	if err != nil {
		w.fail(err)
		return
	}
	w.b = quoted
}

func (s *String) omit(all bool) bool { return !all && *s == "" }

func (b *Bytes) read(r *reader, name string) error {
	return r.scalar(name, func(v jsontext.Value) bool {
		text, err := unquote(v)
		if err != nil {
			return false
		}
		decoded, err := DecodeBase64(text)
		if len(decoded) > 0 {
			*b = decoded
		}
		return err == nil
	})
}

func (b *Bytes) write(w *writer) {
	w.b = append(w.b, '"')
	w.b = append(base64.StdEncoding.AppendEncode(w.b, *b), '"')
}

func (b *Bytes) omit(all bool) bool { return !all && len(*b) == 0 }

// DecodeBase64 decodes either alphabet, with or without padding.
func DecodeBase64(text []byte) ([]byte, error) {
	encoding := base64.StdEncoding
	if bytes.ContainsAny(text, "-_") {
		encoding = base64.URLEncoding
	}
	if len(text)%4 != 0 {
		encoding = encoding.WithPadding(base64.NoPadding)
	}
	out := make([]byte, encoding.DecodedLen(len(text)))
	n, err := encoding.Decode(out, text)
	return out[:n:n], err
}

func (n *Int64) read(r *reader, name string) error {
	return r.scalar(name, func(v jsontext.Value) bool {
		i, ok := integer(v, 64, strconv.ParseInt)
		*n = Int64(i)
		return ok
	})
}

func (n *Int64) write(w *writer) {
	w.b = append(w.b, '"')
	w.b = append(strconv.AppendInt(w.b, int64(*n), 10), '"')
}

func (n *Int64) omit(all bool) bool { return !all && *n == 0 }

func (n *Uint32) read(r *reader, name string) error {
	return r.scalar(name, func(v jsontext.Value) bool {
		i, ok := integer(v, 32, strconv.ParseUint)
		*n = Uint32(i)
		return ok
	})
}

func (n *Uint32) write(w *writer) { w.b = strconv.AppendUint(w.b, uint64(*n), 10) }

func (n *Uint32) omit(all bool) bool { return !all && *n == 0 }

// String returns the name of the value, or its number if it has none.
func (e Enum) String() string {
	if n := int(*e.At); 0 <= n && n < len(e.Names) {
		return e.Names[n]
	}
	return strconv.Itoa(int(*e.At))
}

func (e Enum) read(r *reader, name string) error {
	return r.scalar(name, func(v jsontext.Value) bool {
		if v.Kind() == '"' {
			text, err := unquote(v)
			*e.At = int32(slices.Index(e.Names, string(text)))
			return err == nil && *e.At >= 0
		}
		i, ok := integer(v, 32, strconv.ParseInt)
		*e.At = int32(i)
		return ok
	})
}

func (e Enum) write(w *writer) {
	if text := e.String(); 0 <= *e.At && int(*e.At) < len(e.Names) {
		w.quote(text)
	} else {
		w.b = append(w.b, text...)
	}
}

func (e Enum) omit(all bool) bool { return !all && *e.At == 0 }

// unquote returns the text of a string, in place if it has no escapes.
func unquote(quoted jsontext.Value) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 && len(quoted) >= 2 && quoted[0] == '"' {
		return quoted[1 : len(quoted)-1], nil
	}
	return jsontext.AppendUnquote(nil, quoted)
}

// integer parses the integer in v, which must have at most that many bits.
func integer[T int64 | uint64](v jsontext.Value, bits int, parse func(string, int, int) (T, error)) (T, bool) {
	digits, ok := decimal(v)
	if !ok {
		return 0, false
	}
	n, err := parse(digits, 10, bits)
	return n, err == nil
}

// decimal returns the decimal digits of a number, or of a string that contains only a number.
// The number is an integer, in any form: 1000, 1e3, 1000.0.
func decimal(v jsontext.Value) (digits string, ok bool) {
	if v.Kind() == '"' {
		text, err := unquote(v)
		if err != nil || len(text) == 0 || text[0] != '-' && !isDigit(text[0]) || !isDigit(text[len(text)-1]) {
			return "", false // other values, and spaces around the number
		}
		v = text
	}
	if plain(v) {
		return string(v), true
	}
	if !v.IsValid() {
		return "", false
	}
	return shift(v)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// plain reports whether number consists of digits, without leading zero.
func plain(number []byte) bool {
	for _, c := range number {
		if !isDigit(c) {
			return false
		}
	}
	return len(number) > 0 && number[0] != '0'
}

// maxDigits is the length of the largest number of 64 bits. Longer ones are refused
// before zeros are appended.
const maxDigits = 20

// shift applies a number's exponent to its digits. Digits after the point must be zero.
func shift(number []byte) (digits string, ok bool) {
	mantissa, exponent := number, []byte("0")
	if i := bytes.IndexAny(number, "eE"); i >= 0 {
		mantissa, exponent = number[:i], number[i+1:]
	}
	mantissa, negative := bytes.CutPrefix(mantissa, []byte("-"))
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	whole, fraction = bytes.TrimPrefix(whole, []byte("0")), bytes.TrimRight(fraction, "0")
	if len(whole) == 0 && len(fraction) == 0 {
		return "0", true
	}
	e, err := strconv.ParseInt(string(exponent), 10, 32)
	by := int(e)
	point := len(whole) + by
	switch {
	case err != nil || point < 0 || by > 0 && point > maxDigits:
		return "", false
	case len(fraction) > max(by, 0):
		return "", false
	case by < 0 && len(bytes.Trim(whole[point:], "0")) > 0:
		return "", false
	}
	all := append(slices.Concat(whole, fraction), bytes.Repeat([]byte("0"), max(by-len(fraction), 0))...)
	digits = string(all[:point])
	if negative {
		digits = "-" + digits
	}
	return digits, true
}
