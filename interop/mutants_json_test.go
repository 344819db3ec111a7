// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A node is a JSON value that can be changed and written in ways that libraries don't support:
// with duplicate members, odd escapes and wrong types.
type node struct {
	kind    byte // 'o' object, 'a' array, 's' string, 'l' anything written as it is
	keys    []string
	items   []*node // of an array, or beside keys
	text    string  // of a string: its value; of a literal: its spelling
	raw     bool    // text of a string is written as it is, between quotes
	escaped bool    // a string's first character is written as \u00XX
}

// parseNode reads JSON that is well-formed.
func parseNode(raw []byte) (*node, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	n, err := readNode(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	return n, nil
}

func readNode(d *json.Decoder) (*node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		return readComposite(d, token)
	case string:
		return &node{kind: 's', text: token}, nil
	case nil:
		return literal("null"), nil
	}
	return literal(fmt.Sprint(token)), nil
}

func readComposite(d *json.Decoder, open json.Delim) (*node, error) {
	n := &node{kind: 'a'}
	if open == '{' {
		n.kind = 'o'
	}
	for d.More() {
		if n.kind == 'o' {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			n.keys = append(n.keys, key.(string))
		}
		item, err := readNode(d)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	_, err := d.Token()
	return n, err
}

func literal(text string) *node { return &node{kind: 'l', text: text} }

func text(s string) *node { return &node{kind: 's', text: s} }

func object(key string, value *node) *node {
	return &node{kind: 'o', keys: []string{key}, items: []*node{value}}
}

// write spells the node; space goes wherever JSON allows it.
func (n *node) write(b *strings.Builder, space string) {
	switch n.kind {
	case 'l':
		b.WriteString(n.text)
	case 's':
		b.WriteString(n.quoted())
	default:
		brackets := map[byte]string{'o': "{}", 'a': "[]"}[n.kind]
		b.WriteString(brackets[:1])
		for i, item := range n.items {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(space)
			if n.kind == 'o' {
				b.WriteString(text(n.keys[i]).quoted() + space + ":" + space)
			}
			item.write(b, space)
			b.WriteString(space)
		}
		b.WriteString(brackets[1:])
	}
}

func (n *node) quoted() string {
	if n.raw {
		return `"` + n.text + `"`
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(n.text) != nil {
		return `""`
	}
	quoted := strings.TrimSuffix(b.String(), "\n")
	if n.escaped && len(n.text) > 0 && n.text[0] < 0x80 {
		quoted = fmt.Sprintf(`"\u%04x`, n.text[0]) + strings.TrimPrefix(quoted, quoted[:1+len(firstRune(quoted[1:]))])
	}
	return quoted
}

// firstRune returns the encoding of the first character inside quotes.
func firstRune(s string) string {
	if strings.HasPrefix(s, `\`) {
		return s[:2]
	}
	return s[:1]
}

func (n *node) bytes() []byte {
	var b strings.Builder
	n.write(&b, "")
	return []byte(b.String())
}

func (n *node) clone() *node {
	c := *n
	c.keys = append([]string(nil), n.keys...)
	c.items = make([]*node, len(n.items))
	for i, item := range n.items {
		c.items[i] = item.clone()
	}
	return &c
}

// A place is a node inside another, with its path: names joined by dots, with "[]" for items of
// arrays.
type place struct {
	path   string
	parent *node
	at     int
}

func (p place) node() *node { return p.parent.items[p.at] }

func (p place) set(n *node) { p.parent.items[p.at] = n }

// name returns the last part of the path that is a member's name.
func (p place) name() string {
	path := strings.TrimSuffix(p.path, "[]")
	return path[strings.LastIndex(path, ".")+1:]
}

// places returns all nodes below n, in their order.
func (n *node) places(path string) []place {
	var all []place
	for i, item := range n.items {
		below := path + "[]"
		if n.kind == 'o' {
			below = strings.TrimPrefix(path+"."+n.keys[i], ".")
		}
		all = append(all, place{below, n, i})
		all = append(all, item.places(below)...)
	}
	return all
}

// find returns the first place with a path, if any.
func (n *node) find(path string) (place, bool) {
	for _, p := range n.places("") {
		if p.path == path {
			return p, true
		}
	}
	return place{}, false
}
