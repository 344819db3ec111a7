// SPDX-License-Identifier: Apache-2.0

package intoto_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/wire/intoto"
)

var digest = sha256.Sum256([]byte("hello"))

func valid() string {
	return `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","uri":"x","digest":{"sha256":"` +
		hex.EncodeToString(digest[:]) + `"}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{"a":[1,2]}}`
}

func TestRoundTrip(t *testing.T) {
	s, err := intoto.Parse([]byte(valid()))
	if err != nil {
		t.Fatal(err)
	}
	if !s.HasSubject("sha256", digest[:]) {
		t.Error("the subject is not found by its digest")
	}
	other := sha256.Sum256([]byte("other"))
	if s.HasSubject("sha256", other[:]) || s.HasSubject("sha512", digest[:]) || s.HasSubject("sha1", nil) {
		t.Error("a subject is found that is not there")
	}
	again, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(again); !strings.Contains(got, `"predicate":{"a":[1,2]}`) {
		t.Errorf("marshalling lost the predicate: %s", got)
	}
}

func TestRefusals(t *testing.T) {
	for name, edit := range map[string][2]string{
		"trailing data":     {`{"a":[1,2]}}`, `{"a":[1,2]}} {}`},
		"duplicate key":     {`"predicateType"`, `"_type":"https://in-toto.io/Statement/v1","predicateType"`},
		"duplicate inside":  {`{"a":[1,2]}`, `{"a":1,"a":2}`},
		"other case":        {`"subject"`, `"Subject"`},
		"other type":        {"Statement/v1", "Statement/v2"},
		"no predicate type": {"https://slsa.dev/provenance/v1", ""},
		"no digest":         {hex.EncodeToString(digest[:]) + `"`, hex.EncodeToString(digest[:]) + `x"`},
		"upper-case hex":    {hex.EncodeToString(digest[:]), strings.ToUpper(hex.EncodeToString(digest[:]))},
		"no subjects":       {`"subject":[`, `"subject":[],"x":[`},
		"null subjects":     {`"subject":[`, `"subject":null,"x":[`},
		"null subject":      {`"subject":[`, `"subject":[null,`},
		"one subject":       {`"subject":[`, `"subject":{},"x":[`},
		"digest in a list":  {`"digest":`, `"digest":[],"x":`},
		"null digest":       {`"digest":`, `"digest":null,"x":`},
		"digest twice":      {`"sha256":`, `"sha256":"","sha256":`},
		"digest a number":   {`"sha256":`, `"sha512":1,"sha256":`},
		"many subjects":     {`"subject":[`, `"subject":[` + strings.Repeat(`{"digest":{"a":""}},`, intoto.MaxSubjects)},
		"many digests":      {`"subject":[`, `"subject":[` + strings.Repeat(`{"digest":{"a":"","b":"","c":"","d":""}},`, intoto.MaxSubjects*3/4)},
	} {
		text := strings.Replace(valid(), edit[0], edit[1], 1)
		if text == valid() {
			t.Fatalf("%s: the edit changes nothing", name)
		}
		if _, err := intoto.Parse([]byte(text)); !errors.Is(err, intoto.ErrStatement) {
			t.Errorf("%s: got %v, want ErrStatement", name, err)
		}
	}
}

// TestManyNames checks that the number of names that a reader must remember is
// bounded.
func TestManyNames(t *testing.T) {
	with := func(members int) []byte {
		var predicate strings.Builder
		predicate.WriteString(`"predicate":{"a":":{\"","b":[{"x":1},{"x":1}]`)
		for n := range members {
			fmt.Fprintf(&predicate, `,"%d":0`, n)
		}
		return []byte(strings.Replace(valid(), `"predicate":{"a":[1,2]}`, predicate.String()+"}", 1))
	}
	if _, err := intoto.Parse(with(999_990)); err != nil {
		t.Errorf("a million names: %v", err)
	}
	if _, err := intoto.Parse(with(1_000_000)); !errors.Is(err, intoto.ErrStatement) || !strings.Contains(err.Error(), "1000000 members") {
		t.Errorf("more than a million names: %v", err)
	}
}

func TestConformanceStatement(t *testing.T) {
	raw, err := os.ReadFile("../../../shared/conformance/statement.json")
	if err != nil {
		t.Skip("../shared/conformance is not here: the suite's statement is not read")
	}
	if _, err := intoto.Parse(raw); err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(valid()))
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"digest":{"gitCommit":"x"}}],"predicateType":"p"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := intoto.Parse(raw)
		if err != nil {
			return
		}
		again, err := s.Marshal()
		if err != nil {
			t.Fatalf("marshalling what was parsed: %v", err)
		}
		if _, err := intoto.Parse(again); err != nil {
			t.Fatalf("parsing what was marshalled: %v", err)
		}
	})
}
