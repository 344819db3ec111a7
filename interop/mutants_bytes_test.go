// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"strings"
)

// changeBytes makes one change that knows nothing of what the bytes mean.
func changeBytes(r *rand.Rand, raw []byte) (string, []byte) {
	raw = bytes.Clone(raw)
	if len(raw) == 0 {
		return "extend", []byte{byte(r.Uint32())}
	}
	i := r.IntN(len(raw))
	switch r.IntN(9) {
	case 0:
		return "truncate", raw[:i]
	case 1:
		return "extend", append(raw, make([]byte, 1+r.IntN(4))...)
	case 2:
		return "delete", slices.Delete(raw, i, i+1)
	case 3:
		return "insert", slices.Insert(raw, i, byte(r.Uint32()))
	case 4:
		raw[i] = byte(r.Uint32())
		return "set", raw
	case 5:
		return "double", append(raw, raw...)
	case 6:
		clear(raw)
		return "zero", raw
	case 7:
		return "empty", nil
	}
	raw[i] ^= 1 << r.IntN(8)
	return "flip", raw
}

// spellBase64 writes bytes in a way that some decoders accept.
func spellBase64(r *rand.Rand, s string) (string, string) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(s) < 8 {
		return "spaces", s + " "
	}
	i := r.IntN(len(s))
	switch r.IntN(9) {
	case 0:
		return "url", base64.URLEncoding.EncodeToString(raw)
	case 1:
		return "unpadded", base64.RawStdEncoding.EncodeToString(raw)
	case 2:
		return "url unpadded", base64.RawURLEncoding.EncodeToString(raw)
	case 3:
		return "line break", s[:i] + "\n" + s[i:]
	case 4:
		return "carriage return", s[:i] + "\r" + s[i:]
	case 5:
		return "spaces", s[:i] + " " + s[i:]
	case 6:
		return "padded more", s + "="
	case 7:
		return "mixed", strings.Replace(s, "+", "-", 1)
	}
	return "trailing bits", trailingBits(s)
}

// trailingBits sets bits of the last character that no byte has room for.
func trailingBits(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	body := strings.TrimRight(s, "=")
	if len(body) == len(s) {
		return s
	}
	last := strings.IndexByte(alphabet, body[len(body)-1])
	return body[:len(body)-1] + string(alphabet[last|1]) + s[len(body):]
}

// A tlv is an element of BER, decoded as far as possible.
type tlv struct {
	tag   byte
	body  []byte // of a primitive element
	items []*tlv // of a constructed one
	form  string // of the length: "", "long", "indefinite", "short by one", "longer"
}

// parseTLV reads elements of DER with one-byte tags; inside looks into octet
// and bit strings too.
func parseTLV(der []byte, depth int) ([]*tlv, bool) {
	var all []*tlv
	for len(der) > 0 {
		if len(der) < 2 || der[0]&0x1f == 0x1f || depth > 40 {
			return nil, false
		}
		n, head := int(der[1]), 2
		if n >= 0x80 {
			size := n & 0x7f
			if size == 0 || size > 3 || len(der) < 2+size {
				return nil, false
			}
			n, head = 0, 2+size
			for _, b := range der[2:head] {
				n = n<<8 | int(b)
			}
		}
		if len(der) < head+n {
			return nil, false
		}
		e := &tlv{tag: der[0], body: der[head : head+n]}
		if inner, ok := parseTLV(e.body, depth+1); ok && len(inner) > 0 && (e.tag&0x20 != 0 || e.tag == 0x04) {
			e.items = inner
		}
		all, der = append(all, e), der[head+n:]
	}
	return all, true
}

func (e *tlv) encode() []byte {
	body := e.body
	if e.items != nil {
		body = encodeTLV(e.items)
	}
	n := len(body)
	switch e.form {
	case "short by one":
		n--
	case "longer":
		n++
	case "indefinite":
		return slices.Concat([]byte{e.tag, 0x80}, body, []byte{0, 0})
	case "long":
		return slices.Concat([]byte{e.tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body)
	}
	switch {
	case n < 0:
		return []byte{e.tag, 0x80}
	case n < 0x80:
		return append([]byte{e.tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{e.tag, 0x81, byte(n)}, body...)
	case n < 0x10000:
		return append([]byte{e.tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
	return append([]byte{e.tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func encodeTLV(all []*tlv) []byte {
	var out []byte
	for _, e := range all {
		out = append(out, e.encode()...)
	}
	return out
}

// every returns all elements, including nested ones.
func every(all []*tlv) []*tlv {
	var out []*tlv
	for _, e := range all {
		out = append(out, e)
		out = append(out, every(e.items)...)
	}
	return out
}

// changeDER makes one change to the structure; lengths around it are mended,
// so that a parser gets as far as what was changed.
func changeDER(r *rand.Rand, der []byte) (string, []byte) {
	all, ok := parseTLV(der, 0)
	if !ok || len(all) == 0 {
		return changeBytes(r, der)
	}
	elements := every(all)
	e := elements[r.IntN(len(elements))]
	what := e.change(r, elements)
	return "der " + what, encodeTLV(all)
}

func (e *tlv) change(r *rand.Rand, others []*tlv) string {
	switch r.IntN(12) {
	case 0:
		e.form = "long"
		return "long length"
	case 1:
		e.form = "indefinite"
		return "indefinite length"
	case 2:
		e.form = []string{"short by one", "longer"}[r.IntN(2)]
		return "wrong length"
	case 3:
		e.tag = []byte{0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x30, 0x31, 0xa0, 0x80, 0x1f}[r.IntN(16)]
		return "tag"
	case 4:
		e.tag ^= 1 << r.IntN(8)
		return "tag bit"
	case 5, 6:
		other := others[r.IntN(len(others))]
		*e, *other = *other.clone(), *e.clone()
		return "swap"
	case 7:
		*e = *others[r.IntN(len(others))].clone()
		return "copy"
	case 8:
		if e.items != nil {
			e.items = append(e.items, e.items[r.IntN(len(e.items))].clone())
			return "double"
		}
	case 9:
		if e.items != nil {
			i := r.IntN(len(e.items))
			e.items = slices.Delete(slices.Clone(e.items), i, i+1)
			if len(e.items) == 0 {
				e.items, e.body = nil, nil
			}
			return "delete"
		}
	case 10:
		if len(e.items) > 1 {
			e.items = slices.Clone(e.items)
			i := 1 + r.IntN(len(e.items)-1)
			e.items[0], e.items[i] = e.items[i], e.items[0]
			return "reorder"
		}
	}
	if e.items != nil {
		e.items = append(slices.Clone(e.items), &tlv{tag: 0x05})
		return "null at the end"
	}
	return e.value(r)
}

// clone copies the element, so that one can be changed without the other and
// none gets into itself.
func (e *tlv) clone() *tlv {
	c := *e
	if e.items != nil {
		c.items = make([]*tlv, len(e.items))
		for i, item := range e.items {
			c.items[i] = item.clone()
		}
	}
	return &c
}

// value changes a primitive element by what its tag says it is.
func (e *tlv) value(r *rand.Rand) string {
	switch {
	case e.tag == 0x02 && r.IntN(2) == 0:
		e.body = [][]byte{append([]byte{0}, e.body...), append([]byte{0xff}, e.body...), {}, {0}, {0x7f}, {0x80}, bytes.Repeat([]byte{0x7f}, 300)}[r.IntN(7)]
		return "integer"
	case e.tag == 0x01:
		e.body = [][]byte{{0}, {1}, {0xff}, {}, {0xff, 0xff}}[r.IntN(5)]
		return "boolean"
	case e.tag == 0x17 || e.tag == 0x18:
		e.body = []byte([]string{"20250101000000Z", "250101000000Z", "991231235959Z", "00000000000000Z", "20260304050607.5Z", "20260304050607+0100",
			"202603040506Z", "20260304050660Z", "20261304050607Z", "99991231235959Z", string(e.body) + "Z"}[r.IntN(11)])
		return "time"
	}
	what, body := changeBytes(r, e.body)
	e.body = body
	return what
}

// changeNote edits a checkpoint's text.
func changeNote(r *rand.Rand, s string) (string, string) {
	lines := strings.Split(s, "\n")
	i, j := r.IntN(len(lines)), r.IntN(len(lines))
	switch r.IntN(16) {
	case 0:
		lines = slices.Delete(lines, i, i+1)
		return "line away", strings.Join(lines, "\n")
	case 1:
		lines = slices.Insert(lines, i, lines[j])
		return "line doubled", strings.Join(lines, "\n")
	case 2:
		lines[i], lines[j] = lines[j], lines[i]
		return "lines swapped", strings.Join(lines, "\n")
	case 3:
		lines[i] += "\r"
		return "carriage return", strings.Join(lines, "\n")
	case 4:
		lines[i] += " "
		return "trailing space", strings.Join(lines, "\n")
	case 5:
		lines = slices.Insert(lines, min(3, len(lines)), "extension")
		return "extension", strings.Join(lines, "\n")
	case 6:
		return "dash", strings.Replace(s, "—", "-", 1)
	case 7:
		return "unknown line at the end", s + "— witness.example.com AAAAAHdpdG5lc3M=\n"
	case 8:
		return "unknown line first", strings.Replace(s, "\n\n", "\n\n— witness.example.com AAAAAHdpdG5lc3M=\n", 1)
	case 9:
		return "no newline at the end", strings.TrimSuffix(s, "\n")
	case 10:
		return "newline at the end", s + "\n"
	case 11:
		lines[min(1, len(lines)-1)] = []string{"0", "-1", "00" + lines[min(1, len(lines)-1)], "18446744073709551615", "9223372036854775807", "+1", ""}[r.IntN(7)]
		return "size", strings.Join(lines, "\n")
	case 12:
		lines[0] = []string{"", " ", lines[0] + " - 1", strings.ToUpper(lines[0]), strings.TrimSuffix(lines[0], " - 1193050959916656506"), "rekor.sigstore.dev", lines[0] + "\u200b"}[r.IntN(7)]
		return "origin", strings.Join(lines, "\n")
	case 13:
		return "first signature doubled", doubledSignature(s)
	case 14:
		return "signature spoiled beside", spoiledSignature(s)
	}
	what, changed := changeBytes(r, []byte(s))
	return what, string(changed)
}

// doubledSignature repeats the first signature line.
func doubledSignature(s string) string {
	head, signatures, _ := strings.Cut(s, "\n\n")
	line, _, _ := strings.Cut(signatures, "\n")
	return head + "\n\n" + line + "\n" + signatures
}

// spoiledSignature puts a line with the same name and hint, but another
// signature, before the first one.
func spoiledSignature(s string) string {
	head, signatures, _ := strings.Cut(s, "\n\n")
	line, _, _ := strings.Cut(signatures, "\n")
	cut := strings.LastIndex(line, " ")
	raw, err := base64.StdEncoding.DecodeString(line[cut+1:])
	if err != nil || len(raw) < 5 {
		return s
	}
	raw[len(raw)-1] ^= 1
	return head + "\n\n" + line[:cut+1] + base64.StdEncoding.EncodeToString(raw) + "\n" + signatures
}
