// SPDX-License-Identifier: Apache-2.0

package protojson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A Message is a pointer to a struct that declares its members.
type Message interface {
	// Members returns the members in the order of the .proto file. Their values
	// point into the message.
	Members() []Member
}

// A Member is a field of a message.
type Member struct {
	Name  string // in lowerCamelCase
	Proto string // original name; empty: Name in snake_case
	Oneof bool   // whether it belongs to the message's oneof; no message here has two
	Value Value
}

// A Value reads and writes the value of a member: a [String], [Bytes], [Int64],
// [Uint32] or [Enum], or what [Optional], [List], [BytesList] or [Timestamp] returns.
type Value interface {
	read(r *reader, name string) error
	write(w *writer)
	omit(all bool) bool // reports whether Marshal omits it; all is set for MarshalAll
}

// Unmarshal reads one message from raw. The message must be new. Errors name the
// line and column.
func Unmarshal(raw []byte, m Message) error {
	// Duplicates are looked for under both names of a member, see reader.message.
	r := &reader{raw: raw, d: jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))}
	if err := r.message(m, "the document"); err != nil {
		return err
	}
	end := r.next()
	if _, err := r.d.ReadToken(); err != io.EOF {
		return r.fail(end, "data after the end")
	}
	return nil
}

// Marshal writes the message without spaces. It omits members with default values. It fails on
// invalid UTF-8 and on times that RFC 3339 can't write.
func Marshal(m Message) ([]byte, error) { return marshal(m, false) }

// MarshalAll writes the message as [Marshal] does, but with default values; it only omits
// absent messages.
func MarshalAll(m Message) ([]byte, error) { return marshal(m, true) }

// MarshalIndent writes the message as [Marshal] does, with a line for each member.
func MarshalIndent(m Message) ([]byte, error) {
	raw, err := Marshal(m)
	if err != nil {
		return nil, err
	}
	return jsontext.AppendFormat(nil, raw, jsontext.WithIndent("  "))
}

func marshal(m Message, all bool) ([]byte, error) {
	w := &writer{all: all, b: make([]byte, 0, 4096)}
	w.message(m)
	return w.b, w.err
}

// A reader reads one document.
type reader struct {
	raw []byte
	d   *jsontext.Decoder
}

func (r *reader) message(m Message, name string) error {
	if err := r.open('{', name); err != nil {
		return err
	}
	members := m.Members()
	var seen uint64
	chosen := false // whether a member of the oneof was present
	for r.d.PeekKind() != '}' {
		i, at, err := r.name(members)
		if err != nil {
			return err
		}
		member := members[i]
		if seen&(1<<i) != 0 {
			return r.fail(at, "%s is there twice", member.Name)
		}
		seen |= 1 << i
		if r.d.PeekKind() == 'n' {
			if _, err := r.value(); err != nil {
				return err
			}
			continue
		}
		if member.Oneof && chosen {
			return r.fail(at, "%s is there beside another member of which there may be one", member.Name)
		}
		chosen = chosen || member.Oneof
		if err := member.Value.read(r, member.Name); err != nil {
			return err
		}
	}
	return r.token()
}

// name reads the name of a member, and returns the member's index and the offset of the name.
func (r *reader) name(members []Member) (index, at int, err error) {
	quoted, err := r.value()
	if err != nil {
		return 0, 0, err
	}
	at = int(r.d.InputOffset()) - len(quoted)
	name, err := unquote(quoted)
	if err != nil {
		return 0, 0, r.syntax(err)
	}
	for i := range members {
		if members[i].has(name) {
			return i, at, nil
		}
	}
	return 0, 0, r.fail(at, "unknown field %.100q", name)
}

// has reports whether name is one of the member's two names.
func (m *Member) has(name []byte) bool {
	switch {
	case string(name) == m.Name:
		return true
	case m.Proto != "":
		return string(name) == m.Proto
	}
	for i := range len(m.Name) {
		c := m.Name[i]
		if 'A' <= c && c <= 'Z' {
			if len(name) == 0 || name[0] != '_' {
				return false
			}
			name, c = name[1:], c+'a'-'A'
		}
		if len(name) == 0 || name[0] != c {
			return false
		}
		name = name[1:]
	}
	return len(name) == 0
}

// open reads the beginning of an object or a list.
func (r *reader) open(kind jsontext.Kind, name string) error {
	if got := r.d.PeekKind(); got != kind && got != 0 {
		return r.refuse(name)
	}
	return r.token()
}

func (r *reader) token() error {
	if _, err := r.d.ReadToken(); err != nil {
		return r.syntax(err)
	}
	return nil
}

func (r *reader) value() (jsontext.Value, error) {
	v, err := r.d.ReadValue()
	if err != nil {
		return nil, r.syntax(err)
	}
	return v, nil
}

// scalar reads a string or number with set, which reports whether the value has its type.
func (r *reader) scalar(name string, set func(jsontext.Value) bool) error {
	if kind := r.d.PeekKind(); kind != '"' && kind != '0' && kind != 0 {
		return r.refuse(name)
	}
	v, err := r.value()
	if err != nil {
		return err
	}
	if !set(v) {
		return r.fail(int(r.d.InputOffset())-len(v), "%s can't be %.100s", name, v)
	}
	return nil
}

// refuse returns an error for the next value, of which it quotes the beginning.
func (r *reader) refuse(name string) error {
	at := r.next()
	end := min(len(r.raw), at+1)
	for end < len(r.raw) && end < at+100 && !bytes.ContainsRune([]byte("{}[],: \t\r\n"), rune(r.raw[end])) {
		end++
	}
	return r.fail(at, "%s can't be %s", name, r.raw[at:end])
}

// next returns where the next token begins.
func (r *reader) next() int {
	at := int(r.d.InputOffset())
	return at + len(r.raw[at:]) - len(bytes.TrimLeft(r.raw[at:], " \t\r\n:,"))
}

// fail returns an error with the line and the column, in characters.
func (r *reader) fail(at int, format string, args ...any) error {
	before := r.raw[:min(at, len(r.raw))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Errorf("line %d, column %d: %w", line, column, fmt.Errorf(format, args...))
}

// syntax returns the decoder's error in the form of fail.
func (r *reader) syntax(err error) error {
	if syntactic := new(jsontext.SyntacticError); errors.As(err, &syntactic) {
		return r.fail(int(syntactic.ByteOffset), "not JSON of this kind: %w", syntactic.Err)
	}
	return r.fail(len(r.raw), "not JSON of this kind: %w", err)
}

// A writer writes one document.
type writer struct {
	b   []byte
	all bool  // write default values, too
	err error // the first error
}

func (w *writer) message(m Message) {
	w.b = append(w.b, '{')
	first := true
	for _, member := range m.Members() {
		if member.Value.omit(w.all) {
			continue
		}
		if !first {
			w.b = append(w.b, ',')
		}
		first = false
		w.b = append(append(append(w.b, '"'), member.Name...), `":`...)
		member.Value.write(w)
	}
	w.b = append(w.b, '}')
}

// quote writes a string that needs no escapes.
func (w *writer) quote(text string) {
	w.b = append(append(append(w.b, '"'), text...), '"')
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}
