// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func policyKey(name string, seed byte, cosigning bool) Key {
	public := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)).Public()
	return Key{Name: name, Public: public.(ed25519.PublicKey), Cosigning: cosigning}
}

// witnessLines returns n lines that define the witnesses x1, x2 and so on.
func witnessLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "witness x%d %s\n", i+1, policyKey(fmt.Sprintf("witness.example.com/%d", i+1), byte(i+1), true))
	}
	return b.String()
}

func TestPolicy(t *testing.T) {
	log := "log " + policyKey("log.example.com", 200, false).String()
	for name, c := range map[string]struct {
		text string
		met  string // sets of witnesses that are enough, by number
		not  string
	}{
		"one":     {witnessLines(2) + "quorum x2\n", "2 12", "- 1"},
		"none":    {witnessLines(1) + "quorum none\n", "- 1", ""},
		"bare":    {"quorum none", "", ""}, // no newline: refused below
		"any":     {witnessLines(3) + "group g any x1 x2\nquorum g\n", "1 2 12 13", "- 3"},
		"all":     {witnessLines(3) + "group g all x1 x2\nquorum g\n", "12 123", "- 1 2 13"},
		"2 of 3":  {witnessLines(3) + "group g 2 x1 x2 x3\nquorum g\n", "12 13 23 123", "- 1 2 3"},
		"nested":  {witnessLines(6) + "group X 2 x1 x2 x3\ngroup Y any x4 x5 x6\ngroup both all X Y\nquorum both\n", "124 236", "- 123 456 14"},
		"spaces":  {"\n  # a comment\n\t" + log + "\t https://log.example.com  \n" + witnessLines(1) + " \t\nquorum  x1 \n", "1", "-"},
		"urls":    {log + " https://a\nwitness ü " + policyKey("w", 1, true).String() + " https://b\nquorum ü\n", "1", "-"},
		"unnamed": {witnessLines(2) + "group g 1 x1\nquorum g\n", "1", "- 2"},
	} {
		p, err := ParseWitnessPolicy([]byte(c.text))
		if name == "bare" {
			if err == nil {
				t.Error("a line that does not end is read")
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for want, sets := range map[bool]string{true: c.met, false: c.not} {
			for set := range strings.FieldsSeq(sets) {
				met := p.Quorum.Met(func(k Key) bool {
					for _, n := range set {
						if n != '-' && bytes.Equal(k.Public, policyKey("", byte(n-'0'), true).Public) {
							return true
						}
					}
					return false
				})
				if met != want {
					t.Errorf("%s: %s: %t (%v)", name, set, met, p.Quorum)
				}
			}
		}
	}
	p, err := ParseWitnessPolicy([]byte(log + "\n" + witnessLines(3) + "group X 1 x1 x2\ngroup g 2 X x3\nquorum g\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Covers("other.example.com") || !p.Covers("log.example.com") || !(WitnessPolicy{}).Covers("other.example.com") {
		t.Error("logs are mistaken")
	}
	if got, want := p.Quorum.String(), "2 of (1 of witness.example.com/1, witness.example.com/2), witness.example.com/3"; got != want {
		t.Errorf("%s", got)
	}
	if len(p.Witnesses()) != 3 {
		t.Errorf("%v", p.Witnesses())
	}
}

func TestPolicyRefuses(t *testing.T) {
	log, one := policyKey("log.example.com", 200, false).String(), policyKey("w", 1, true).String()
	renamed := policyKey("another", 1, true).String()
	many := ""
	for i := range maxDefined + 1 {
		many += fmt.Sprintf("log %s\n", policyKey(fmt.Sprintf("log%d", i), byte(i), false))
	}
	for name, text := range map[string]string{
		"empty":                 "",
		"no quorum":             witnessLines(1),
		"two quorums":           witnessLines(1) + "quorum x1\nquorum none\n",
		"unknown line":          "quorom none\nquorum none\n",
		"unknown name":          witnessLines(1) + "quorum x2\n",
		"defined later":         "group g any x1\n" + witnessLines(1) + "quorum g\n",
		"the same log":          "log " + log + "\nlog " + log + "\nquorum none\n",
		"the key of a witness":  "log " + one + "\nquorum none\n",
		"the key of a log":      "witness w " + log + "\nquorum w\n",
		"no key":                "witness w w\nquorum w\n",
		"the same witness":      "witness a " + one + "\nwitness b " + one + "\nquorum a\n",
		"under another name":    "witness a " + one + "\nwitness b " + renamed + "\nquorum a\n",
		"one name":              "witness a " + one + "\nwitness a " + policyKey("v", 2, true).String() + "\nquorum a\n",
		"none is defined":       "witness none " + one + "\nquorum none\n",
		"none in a group":       witnessLines(1) + "group g any x1 none\nquorum g\n",
		"a member twice":        witnessLines(2) + "group g 2 x1 x1\nquorum g\n",
		"in two groups":         witnessLines(2) + "group g any x1\ngroup h all g x1\nquorum h\n",
		"in itself":             witnessLines(1) + "group g any x1 g\nquorum g\n",
		"of none":               witnessLines(1) + "group g all\nquorum g\n",
		"0 of 1":                witnessLines(1) + "group g 0 x1\nquorum g\n",
		"2 of 1":                witnessLines(1) + "group g 2 x1\nquorum g\n",
		"01 of 1":               witnessLines(1) + "group g 01 x1\nquorum g\n",
		"some of 1":             witnessLines(1) + "group g some x1\nquorum g\n",
		"carriage returns":      witnessLines(1) + "quorum x1\r\n",
		"a zero":                witnessLines(1) + "quorum x1\x00\n",
		"too many words":        witnessLines(1) + "quorum x1 x1\n",
		"too long":              "#" + strings.Repeat("x", MaxWitnessPolicy) + "\nquorum none\n",
		"too many":              many + "quorum none\n",
		"a comment behind":      witnessLines(1) + "quorum x1 # one\n",
		"the last line is open": witnessLines(1) + "quorum x1",
	} {
		if p, err := ParseWitnessPolicy([]byte(text)); !errors.Is(err, ErrWitnessPolicy) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte(witnessLines(3) + "group g 2 x1 x2 x3\nquorum g\n"))
	f.Add(AtLeast(1, []Key{policyKey("w", 1, true), policyKey("v", 2, true)}, policyKey("log.example.com", 3, false)).Marshal())
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := ParseWitnessPolicy(raw)
		if err != nil {
			return
		}
		all := p.Witnesses()
		if !p.Quorum.Met(func(Key) bool { return true }) {
			t.Errorf("%s: all are not enough", raw)
		}
		if none := p.Quorum.Met(func(Key) bool { return false }); none != (len(all) == 0) {
			t.Errorf("%s: none is enough: %t", raw, none)
		}
		if len(all) == 0 {
			return
		}
		flat := AtLeast(len(all), all, p.Logs...)
		again, err := ParseWitnessPolicy(flat.Marshal())
		if err != nil || !reflect.DeepEqual(again, flat) {
			t.Errorf("%s\nis read as %+v, %v", flat.Marshal(), again, err)
		}
	})
}
