// SPDX-License-Identifier: Apache-2.0

package cel

import (
	"errors"
	"iter"
	"math/bits"
	"reflect"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/go-json-experiment/json/jsontext"
)

// A document is JSON text whose values are decoded on demand. Decoded at once,
// a predicate of a hundred megabytes would take a gigabyte, and an evaluation
// usually needs little of it. Invalid JSON yields meaningless values.
type document struct {
	*meter
	text    string
	lists   map[int]traits.Lister // by offset, the large ones
	members map[int]*members
}

// large is the size from which the offsets of a list's or object's elements are
// cached, in bytes.
const large = 4 << 10

func newDocument(m *meter, text []byte) *document {
	m.keep(len(text))
	return &document{meter: m, text: string(text), lists: map[int]traits.Lister{}, members: map[int]*members{}}
}

// root returns the value of the whole text.
func (d *document) root() ref.Val { return d.value(d.space(0)) }

// A place is an offset in a document.
type place uint32

// NativeToValue makes a document the adapter of its lists.
func (d *document) NativeToValue(v any) ref.Val {
	if at, ok := v.(place); ok {
		return d.value(int(at))
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}

// value returns the value at an offset.
func (d *document) value(at int) ref.Val {
	switch d.char(at) {
	case '{':
		return object{d, at}
	case '[':
		return d.list(at)
	case '"':
		return types.String(d.unquoted(at, d.skip(at)))
	}
	switch word := d.text[at:d.skip(at)]; word {
	case "true":
		return types.True
	case "false":
		return types.False
	case "null":
		return types.NullValue
	default:
		return d.number(word)
	}
}

// number returns an integer if there is no fraction, because float64 is too
// coarse for some.
func (d *document) number(word string) ref.Val {
	if len(word) > 32 {
		d.keep(4 * len(word)) // which strconv's errors repeat
	}
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		return types.Int(n)
	}
	if n, err := strconv.ParseUint(word, 10, 64); err == nil {
		return types.Uint(n)
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return types.NewErr("a number that is malformed or too large")
	}
	return types.Double(f)
}

// unquoted returns the string between at and end.
func (d *document) unquoted(at, end int) string {
	raw := d.text[at:end]
	if !strings.Contains(raw, `\`) && len(raw) > 1 {
		return raw[1 : len(raw)-1]
	}
	d.keep(2 * len(raw))
	text, _ := jsontext.AppendUnquote(nil, raw)
	return string(text)
}

// list returns a list by the offsets of its elements. It counts before it
// allocates.
func (d *document) list(at int) ref.Val {
	if l, ok := d.lists[at]; ok {
		return l
	}
	count := 0
	end := d.each(at, func(_, _, _ int) bool { count++; return true })
	d.keep(perList + 4*count)
	places := make([]place, 0, count)
	d.each(at, func(_, _, value int) bool { places = append(places, place(value)); return true })
	l := types.NewList(d, places)
	if end-at >= large {
		d.lists[at] = l
	}
	return l
}

// each walks through a list or an object until visit has enough, and returns
// the offset it reached. The names of an object extend from name to end.
func (d *document) each(at int, visit func(name, end, value int) bool) int {
	named := d.char(at) == '{'
	for at = d.space(at + 1); at < len(d.text) && d.text[at] != ']' && d.text[at] != '}'; {
		name, end := at, at
		if named {
			end = d.skip(at)
			at = d.afterColon(end)
		}
		if !visit(name, end, at) {
			return at
		}
		before := at
		if at = d.space(d.skip(at)); d.char(at) == ',' {
			at = d.space(at + 1)
		}
		if at == before {
			break // invalid JSON
		}
	}
	return at
}

func (d *document) char(at int) byte {
	if at < len(d.text) {
		return d.text[at]
	}
	return 0
}

func (d *document) space(at int) int {
	from := at
	for c := d.char(at); c == ' ' || c == '\n' || c == '\t' || c == '\r'; c = d.char(at) {
		at++
	}
	if at > from {
		d.read(at - from)
	}
	return min(at, len(d.text))
}

func (d *document) afterColon(at int) int { return d.space(d.space(at) + 1) }

// skip returns the end of the value at an offset. It charges steps.
func (d *document) skip(at int) int {
	from, depth := at, 0
	for at < len(d.text) {
		switch d.text[at] {
		case '"':
			at = d.skipString(at)
		case '{', '[':
			depth++
			at++
		case '}', ']':
			depth--
			at++
		default:
			at = d.skipPlain(at, depth)
		}
		if at-from > 64*perStep {
			d.read(at - from)
			from = at
		}
		if depth <= 0 {
			break
		}
	}
	d.read(at - from)
	return at
}

func (d *document) skipString(at int) int {
	for at++; at < len(d.text); at++ {
		switch d.text[at] {
		case '"':
			return at + 1
		case '\\':
			at++
		}
	}
	return len(d.text)
}

// skipPlain skips a number or a word and, within lists and objects, what
// separates values.
func (d *document) skipPlain(at, depth int) int {
	for ; at < len(d.text); at++ {
		switch d.text[at] {
		case '"', '{', '[', '}', ']':
			return at
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return at
			}
		}
	}
	return at
}

// members is an index of the names of a large object: a hash table with open
// addressing. Names made to collide cost steps, the same on every machine.
type members struct {
	count int
	table []place // offset plus one; 0 is free
}

// slots returns the slots that a name may be in, in order.
func (d *document) slots(m *members, name string) iter.Seq[int] {
	return func(yield func(int) bool) {
		h := uint64(14695981039346656037) // FNV-1a
		for i := range len(name) {
			h = (h ^ uint64(name[i])) * 1099511628211
		}
		size := uint64(len(m.table))
		for slot := h % size; ; slot = (slot + 1) % size {
			d.spend(1)
			if !yield(int(slot)) || m.table[slot] == 0 {
				return
			}
		}
	}
}

// index builds the index of an object.
func (d *document) index(at int) *members {
	m := &members{}
	end := d.each(at, func(_, _, _ int) bool { m.count++; return true })
	size := 1 << bits.Len(uint(2*m.count))
	d.keep(4 * size)
	m.table = make([]place, size)
	d.each(at, func(name, end, _ int) bool {
		for slot := range d.slots(m, d.unquoted(name, end)) {
			if m.table[slot] == 0 {
				m.table[slot] = place(name + 1)
				break
			}
		}
		return true
	})
	if end-at >= large {
		d.members[at] = m
	}
	return m
}

// An object is an object of a document.
type object struct {
	d  *document
	at int
}

// Find returns a member.
func (o object) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	o.d.read(len(name))
	value := -1
	m, ok := o.d.members[o.at]
	if !ok {
		enough := false
		o.d.each(o.at, func(at, end, v int) bool {
			if o.d.unquoted(at, end) == string(name) {
				value = v
			}
			enough = v-o.at >= large
			return value < 0 && !enough
		})
		if value < 0 && enough {
			m = o.d.index(o.at)
		}
	}
	if m != nil {
		value = o.lookUp(m, string(name))
	}
	if value < 0 {
		return nil, false
	}
	return o.d.value(value), true
}

func (o object) lookUp(m *members, name string) int {
	for slot := range o.d.slots(m, name) {
		if m.table[slot] == 0 {
			break
		}
		at := int(m.table[slot] - 1)
		if end := o.d.skip(at); o.d.unquoted(at, end) == name {
			return o.d.afterColon(end)
		}
	}
	return -1
}

// names returns the names of the object in order.
func (o object) names() []ref.Val {
	var names []ref.Val
	o.d.each(o.at, func(name, end, _ int) bool {
		o.d.keep(perValue)
		names = append(names, types.String(o.d.unquoted(name, end)))
		return true
	})
	return names
}

// Size returns the number of members.
func (o object) Size() ref.Val {
	if m, ok := o.d.members[o.at]; ok {
		return types.Int(m.count)
	}
	return types.Int(o.d.index(o.at).count)
}

// Get returns a member, or an error value if it is missing.
func (o object) Get(key ref.Val) ref.Val {
	if v, ok := o.Find(key); ok {
		return v
	}
	return noSuchKey(key)
}

// Contains reports whether there is such a member.
func (o object) Contains(key ref.Val) ref.Val {
	_, ok := o.Find(key)
	return types.Bool(ok)
}

// Iterator iterates over the names.
func (o object) Iterator() traits.Iterator { return types.NewRefValList(o.d, o.names()).Iterator() }

// Equal compares member by member.
func (o object) Equal(other ref.Val) ref.Val { return types.Bool(o.d.equal(o, other)) }

// ConvertToType returns the object itself as a map, or its type.
func (o object) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.MapType:
		return o
	case types.TypeType:
		return types.MapType
	}
	return types.NewErr("type conversion error from '%s' to '%s'", types.MapType, t)
}

// ConvertToNative returns an error, since no expression needs it.
func (o object) ConvertToNative(reflect.Type) (any, error) {
	return nil, errors.ErrUnsupported
}

// Type returns the type of maps.
func (o object) Type() ref.Type { return types.MapType }

// Value returns the text.
func (o object) Value() any { return o.d.text[o.at:o.d.skip(o.at)] }
