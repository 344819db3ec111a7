// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A mutant is a changed bundle. Seed and index reproduce it from the same stock.
type mutant struct {
	seed  uint64
	index uint64
	of    seed
	kinds []string // what was changed, in order
	raw   []byte
}

func (m mutant) String() string {
	return fmt.Sprintf("seed %d index %d: %s: %s", m.seed, m.index, m.of.name, strings.Join(m.kinds, ", "))
}

// A stock holds the inputs from which mutants are made.
type stock struct {
	seeds []seed
	trees []*node // of the seeds
	forge *forge  // nil: none are forged
}

func newStock(t testing.TB, f *forge, seeds []seed) stock {
	t.Helper()
	s := stock{seeds: seeds, forge: f}
	for _, seed := range seeds {
		tree, err := parseNode(seed.raw)
		if err != nil {
			t.Fatalf("%s: %v", seed.name, err)
		}
		s.trees = append(s.trees, tree)
	}
	return s
}

// mutant makes the mutant of this seed and index. Every other one is forged:
// whole bundles of an authority, a log and a timestamp authority whose keys
// are at hand, with odd things signed into them.
func (s stock) mutant(seed, index uint64) mutant {
	r := rand.New(rand.NewPCG(seed, index))
	m := mutant{seed: seed, index: index}
	var tree *node
	least := 1
	if s.forge != nil && r.IntN(2) == 0 {
		m.of, tree, m.kinds = s.forge.forge(r)
		least = 0
	} else {
		i := r.IntN(len(s.seeds))
		m.of, tree = s.seeds[i], s.trees[i].clone()
	}
	for range least + []int{0, 0, 0, 1, 1, 2}[r.IntN(6)] {
		kind := s.change(r, tree)
		m.kinds = append(m.kinds, kind)
	}
	m.raw = tree.bytes()
	if least == 0 && len(m.kinds) == 0 || r.IntN(40) == 0 {
		var kind string
		kind, m.raw = respell(r, tree)
		m.kinds = append(m.kinds, kind)
	}
	return m
}

// respell writes the same JSON, or nearly the same, in another way.
func respell(r *rand.Rand, tree *node) (string, []byte) {
	raw := tree.bytes()
	switch r.IntN(10) {
	case 0:
		return "text: byte order mark", append([]byte("\xef\xbb\xbf"), raw...)
	case 1:
		return "text: trailing object", append(raw, "{}"...)
	case 2:
		return "text: trailing brace", append(raw, '}')
	case 3:
		return "text: trailing null byte", append(raw, 0)
	case 4:
		return "text: comment", append([]byte("/* */"), raw...)
	case 5:
		what, raw := changeBytes(r, raw)
		return "text: " + what, raw
	}
	var b strings.Builder
	tree.write(&b, []string{" ", "\n", "\t", "\r\n "}[r.IntN(4)])
	return "text: spaces", []byte(b.String())
}

// blobs lists the members that contain base64.
var blobs = []string{
	"rawBytes", "signedTimestamp", "keyId", "signedEntryTimestamp", "rootHash", "hashes",
	"canonicalizedBody", "digest", "signature", "payload", "sig",
}

// change changes one place of a bundle, and says what and where.
func (s stock) change(r *rand.Rand, tree *node) string {
	places := tree.places("")
	if len(places) == 0 {
		return "nothing"
	}
	p := places[r.IntN(len(places))]
	if r.IntN(3) == 0 { // certificates and the like are few among the many
		p = s.choose(r, places, p)
	}
	n := p.node()
	if r.IntN(3) == 0 || n.kind != 's' {
		return s.structure(r, tree, p) + " " + p.path
	}
	switch name := p.name(); {
	case name == "canonicalizedBody" && r.IntN(2) == 0:
		return s.body(r, n) + " " + p.path
	case slices.Contains(blobs, name):
		return blob(r, n, name) + " " + p.path
	case name == "envelope":
		what, changed := changeNote(r, n.text)
		n.text = changed
		return "note: " + what + " " + p.path
	case strings.HasPrefix(n.text, "application/"):
		what, changed := changeMediaType(r, n.text)
		n.text = changed
		return "media type: " + what + " " + p.path
	}
	return scalar(r, n) + " " + p.path
}

// choose prefers the places where most of a verifier's work lies.
func (s stock) choose(r *rand.Rand, places []place, otherwise place) place {
	want := []string{"rawBytes", "signedTimestamp", "canonicalizedBody", "envelope", "signedEntryTimestamp", "integratedTime", "mediaType", "payload"}[r.IntN(8)]
	for _, p := range places {
		if p.name() == want {
			return p
		}
	}
	return otherwise
}

func blob(r *rand.Rand, n *node, name string) string {
	if r.IntN(5) == 0 {
		what, changed := spellBase64(r, n.text)
		n.text = changed
		return "base64: " + what
	}
	raw, err := base64.StdEncoding.DecodeString(n.text)
	if err != nil {
		return "nothing"
	}
	what, changed := "", raw
	switch {
	case slices.Contains([]string{"rawBytes", "signedTimestamp", "signature", "sig", "signedEntryTimestamp"}, name) && r.IntN(3) > 0:
		what, changed = changeDER(r, raw)
	default:
		what, changed = changeBytes(r, raw)
	}
	n.text = base64.StdEncoding.EncodeToString(changed)
	return "bytes: " + what
}

// body changes the JSON inside an entry's body.
func (s stock) body(r *rand.Rand, n *node) string {
	raw, err := base64.StdEncoding.DecodeString(n.text)
	if err != nil {
		return "nothing"
	}
	tree, err := parseNode(raw)
	if err != nil {
		return "nothing"
	}
	what, changed := s.changeBody(r, tree)
	n.text = base64.StdEncoding.EncodeToString(changed)
	return "body: " + what
}

func (s stock) changeBody(r *rand.Rand, tree *node) (string, []byte) {
	if r.IntN(6) == 0 {
		return respell(r, tree)
	}
	places := tree.places("")
	if len(places) == 0 {
		return "nothing", tree.bytes()
	}
	p := places[r.IntN(len(places))]
	what := ""
	if n := p.node(); n.kind == 's' && r.IntN(2) == 0 {
		what = blob(r, n, p.name())
	} else {
		what = s.structure(r, tree, p)
	}
	return what + " in " + p.path, tree.bytes()
}

// structure changes the JSON around a place.
func (s stock) structure(r *rand.Rand, tree *node, p place) string {
	in, n := p.parent, p.node()
	switch r.IntN(14) {
	case 0, 1:
		in.items = slices.Delete(in.items, p.at, p.at+1)
		if in.kind == 'o' {
			in.keys = slices.Delete(in.keys, p.at, p.at+1)
		}
		return "delete"
	case 2:
		return in.double(r, p.at)
	case 3:
		if in.kind == 'o' {
			what, key := rename(r, in.keys[p.at])
			in.keys[p.at] = key
			return what
		}
	case 4:
		p.set(retyped(r, n))
		return "retype"
	case 5, 6, 7:
		return s.exchange(r, p)
	case 8:
		others := tree.places("")
		other := others[r.IntN(len(others))]
		p.set(other.node().clone())
		return "copy of " + other.path + " into"
	case 9:
		extra := []*node{literal("null"), text("x"), literal("1"), object("a", literal("1")), deep(9000), literal("1e400")}[r.IntN(6)]
		if n.kind == 'o' {
			n.keys, n.items = append(n.keys, "extra"), append(n.items, extra)
			return "unknown member in"
		}
	case 10:
		if n.kind == 'a' && len(n.items) > 0 {
			for range []int{1, 31, 32, 40}[r.IntN(4)] {
				n.items = append(n.items, n.items[0].clone())
			}
			return "repeat"
		}
	case 11:
		if len(in.items) > 1 {
			i := r.IntN(len(in.items))
			in.items[i], in.items[p.at] = in.items[p.at], in.items[i]
			return "swap in"
		}
	case 12:
		if n.kind == 's' {
			n.escaped = true
			return "escape"
		}
	}
	return scalar(r, n)
}

func deep(n int) *node { return literal(strings.Repeat("[", n) + strings.Repeat("]", n)) }

// double puts an item or a member a second time, before or after the first.
func (n *node) double(r *rand.Rand, at int) string {
	where := at + r.IntN(2)
	n.items = slices.Insert(n.items, where, n.items[at].clone())
	if n.kind == 'o' {
		n.keys = slices.Insert(n.keys, where, n.keys[at])
		return "double member"
	}
	return "double item"
}

func rename(r *rand.Rand, key string) (string, string) {
	snake := strings.Map(func(c rune) rune { return c }, key)
	for c := 'A'; c <= 'Z'; c++ {
		snake = strings.ReplaceAll(snake, string(c), "_"+strings.ToLower(string(c)))
	}
	switch r.IntN(5) {
	case 0:
		return "other case of", strings.ToUpper(key)
	case 1:
		return "unknown name for", key + "x"
	case 2:
		return "first letter of", strings.ToUpper(key[:min(1, len(key))]) + key[min(1, len(key)):]
	case 3:
		return "null byte in name of", key + "\x00"
	}
	return "snake case of", snake
}

func retyped(r *rand.Rand, n *node) *node {
	switch r.IntN(7) {
	case 0:
		return literal("null")
	case 1:
		return &node{kind: 'a', items: []*node{n.clone()}}
	case 2:
		return &node{kind: 'o'}
	case 3:
		return &node{kind: 'a'}
	case 4:
		return literal("true")
	case 5:
		if n.kind == 's' {
			return literal(n.text)
		}
		return text(n.text)
	}
	return text("")
}

// exchange takes what another bundle has in the same place.
func (s stock) exchange(r *rand.Rand, p place) string {
	i := r.IntN(max(len(s.trees), 1))
	if i >= len(s.trees) {
		return scalar(r, p.node())
	}
	other, ok := s.trees[i].find(p.path)
	if !ok {
		p.set(literal("null"))
		return "null at"
	}
	p.set(other.node().clone())
	return "from " + s.seeds[i].name + ":"
}

// scalar changes a string or a number for another that is easily misread.
func scalar(r *rand.Rand, n *node) string {
	switch r.IntN(4) {
	case 0:
		return nearby(n, int64(r.IntN(3)-1))
	case 1:
		n.text = []string{"", " ", "0", "a\x00b", "é", "\u202e" + n.text, n.text + " ", " " + n.text, n.text + "\x00", strings.ToUpper(n.text)}[r.IntN(10)]
		n.kind = 's'
		return "text"
	case 2:
		*n = node{kind: 's', raw: true, text: []string{`\ud800`, "\xff", `\u0000`, n.text + `\u0000`, "\t", `\x`, `😀`}[r.IntN(7)]}
		return "raw text"
	}
	n.text = []string{"-1", "0", "1", "9223372036854775807", "9223372036854775808", "18446744073709551615", "1.0", "1e3", "-0", "00", "0x10", "253402300800", "1772600767"}[r.IntN(13)]
	n.kind = []byte("sl")[r.IntN(2)]
	return "number"
}

func nearby(n *node, by int64) string {
	var value int64
	if _, err := fmt.Sscan(n.text, &value); err != nil {
		n.kind, n.text = 's', n.text+"x"
		return "longer"
	}
	n.text = fmt.Sprint(value + by)
	return fmt.Sprintf("%+d", by)
}

func changeMediaType(r *rand.Rand, s string) (string, string) {
	const base = "application/vnd.dev.sigstore.bundle"
	switch r.IntN(8) {
	case 0:
		v := []string{"0.1", "0.2", "0.3"}[r.IntN(3)]
		return "version", base + "+json;version=" + v
	case 1:
		v := []string{"0.1", "0.2", "0.3", "0.4", "1", "0.3.0", "0.3.1", "0.3-rc1", "0.03"}[r.IntN(9)]
		return "version", base + ".v" + v + "+json"
	case 2:
		return "case", strings.ToUpper(s)
	case 3:
		return "space", strings.Replace(s, ";", "; ", 1) + " "
	case 4:
		return "parameter", s + ";charset=utf-8"
	case 5:
		return "other", "application/json"
	case 6:
		return "in-toto", "application/vnd.in-toto+json; charset=utf-8"
	}
	return "version", base + ".v0.3+json"
}
