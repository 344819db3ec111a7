// SPDX-License-Identifier: Apache-2.0

package protojson

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Optional returns the value of a field with a message. The pointer is nil if the
// message is absent.
func Optional[T any, P interface {
	*T
	Message
}](at **T) Value {
	return optional[T, P]{at}
}

type optional[T any, P interface {
	*T
	Message
}] struct{ at **T }

func (o optional[T, P]) read(r *reader, name string) error {
	*o.at = new(T)
	return r.message(P(*o.at), name)
}

func (o optional[T, P]) write(w *writer) { w.message(P(*o.at)) }

func (o optional[T, P]) omit(bool) bool { return *o.at == nil }

// List returns the value of a repeated field with messages.
func List[T any, P interface {
	*T
	Message
}](at *[]T) Value {
	return list[T, P]{at}
}

type list[T any, P interface {
	*T
	Message
}] struct{ at *[]T }

func (l list[T, P]) read(r *reader, name string) error {
	return r.list(name, func() error {
		var zero T
		*l.at = append(*l.at, zero)
		return r.message(P(&(*l.at)[len(*l.at)-1]), name)
	})
}

func (l list[T, P]) write(w *writer) {
	w.list(len(*l.at), func(i int) { w.message(P(&(*l.at)[i])) })
}

func (l list[T, P]) omit(all bool) bool { return !all && len(*l.at) == 0 }

// A BytesList is a repeated field with bytes.
type BytesList [][]byte

func (l *BytesList) read(r *reader, name string) error {
	return r.list(name, func() error {
		var b Bytes
		err := b.read(r, name)
		*l = append(*l, b)
		return err
	})
}

func (l *BytesList) write(w *writer) {
	w.list(len(*l), func(i int) { (*Bytes)(&(*l)[i]).write(w) })
}

func (l *BytesList) omit(all bool) bool { return !all && len(*l) == 0 }

// list reads the elements, none of which may be null.
func (r *reader) list(name string, element func() error) error {
	if err := r.open('[', name); err != nil {
		return err
	}
	for r.d.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	return r.token()
}

func (w *writer) list(n int, element func(int)) {
	w.b = append(w.b, '[')
	for i := range n {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		element(i)
	}
	w.b = append(w.b, ']')
}

// Timestamp returns the value of a field with a google.protobuf.Timestamp. The
// pointer is nil if the field is absent.
func Timestamp(at **time.Time) Value { return timestamp{at} }

type timestamp struct{ at **time.Time }

// The range of google/protobuf/timestamp.proto: "from 0001-01-01T00:00:00Z to
// 9999-12-31T23:59:59.999999999Z inclusive", in seconds since 1970.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

func inRange(t time.Time) bool { return minSeconds <= t.Unix() && t.Unix() <= maxSeconds }

func (t timestamp) read(r *reader, name string) error {
	return r.scalar(name, func(v jsontext.Value) bool {
		if v.Kind() != '"' {
			return false
		}
		text, err := unquote(v)
		if err != nil {
			return false
		}
		at, err := time.Parse(time.RFC3339Nano, string(text))
		if err != nil || !inRange(at) || tooFine(string(text)) {
			return false
		}
		at = at.UTC()
		*t.at = &at
		return true
	})
}

// tooFine reports whether a time has more than nine digits of a second.
func tooFine(text string) bool {
	point, zone := strings.LastIndexByte(text, '.'), strings.LastIndexAny(text, "Z-+")
	return point >= 0 && zone-point > len(".999999999")
}

// write writes 0, 3, 6 or 9 digits of a second, in UTC.
func (t timestamp) write(w *writer) {
	if !inRange(**t.at) {
		w.fail(errors.New("a time that RFC 3339 can't write"))
	}
	text := (*t.at).UTC().AppendFormat(nil, "2006-01-02T15:04:05.000000000")
	for _, zeros := range []string{"000", "000", ".000"} {
		text = bytes.TrimSuffix(text, []byte(zeros))
	}
	w.quote(string(text) + "Z")
}

func (t timestamp) omit(bool) bool { return *t.at == nil }
