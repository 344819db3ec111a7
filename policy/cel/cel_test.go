// SPDX-License-Identifier: Apache-2.0

package cel_test

import (
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/policy/cel"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

const statement = `{"_type":"https://in-toto.io/Statement/v1",
 "subject":[{"name":"widget","digest":{"sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}}],
 "predicateType":"https://slsa.dev/provenance/v1",
 "predicate":{"runDetails":{"builder":{"id":"https://example.com/builder"}},"level":3,"big":9007199254740993,"huge":18446744073709551614,"score":0.5,"findings":[]}}`

func TestConditions(t *testing.T) {
	s, err := intoto.Parse([]byte(statement))
	if err != nil {
		t.Fatal(err)
	}
	for expression, want := range map[string]bool{
		`predicate.runDetails.builder.id == "https://example.com/builder"`:   true,
		`predicate.runDetails.builder.id.startsWith("https://evil")`:         false,
		`predicate.level >= 3 && predicate.score < 1.0`:                      true,
		`predicate.big == 9007199254740993`:                                  true,
		`predicate.big == 9007199254740992`:                                  false,
		`predicate.huge == 18446744073709551614u`:                            true,
		`predicate.huge == 18446744073709551615u`:                            false,
		`predicate.huge > 1`:                                                 true,
		`size(predicate.findings) == 0`:                                      true,
		`predicate.findings.all(f, f.severity != "critical")`:                true,
		`predicateType.endsWith("/v1") && subject[0].name == "widget"`:       true,
		`predicate.runDetails.builder.id.matches("^https://example\\.com/")`: true,
		`subject.exists(s, "sha512" in s.digest)`:                            false,
		`has(predicate.missing) && predicate.missing`:                        false,
		"predicate.level ==\n  3":                                            true,
	} {
		condition, err := cel.Compile(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if got, err := condition(&s); err != nil || got != want {
			t.Errorf("%s: %v, %v", expression, got, err)
		}
	}
}

// TestConditionsThatFail checks that a condition that can't be evaluated counts as no, with
// the reason.
func TestConditionsThatFail(t *testing.T) {
	s, err := intoto.Parse([]byte(statement))
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Repeat("1,", 200) + "1"
	for _, expression := range []string{
		"predicate.missing == 1", "predicate.level", "subject[1].name == ''",
		"[" + list + "].all(a, [" + list + "].all(b, [" + list + "].all(c, a + b + c > 0)))",
	} {
		condition, err := cel.Compile(expression)
		if err != nil {
			t.Errorf("%.40s: %v", expression, err)
			continue
		}
		if got, err := condition(&s); err == nil || got {
			t.Errorf("%.40s: %v without an error", expression, got)
		}
	}
}

func TestExpressionsThatAreNone(t *testing.T) {
	for _, expression := range []string{
		"", "predicate.", "1", "predicate.s.matches(predicate.s)", "[predicate.s].exists(p, 'a'.matches(p))", "matches('a', predicate.s)", `"true"`, "signer == 1", "predicate.x = 1", "true; false", strings.Repeat("(", 10_000), strings.Repeat("true && ", 5000) + "true",
	} {
		if _, err := cel.Compile(expression); err == nil {
			t.Errorf("%.40q compiles", expression)
		}
	}
}
