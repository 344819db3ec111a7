// SPDX-License-Identifier: Apache-2.0

package cel

import (
	"errors"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// TestSameSteps checks 20 times that the same statement and expression take the same steps and
// bytes, whatever the order of maps.
func TestSameSteps(t *testing.T) {
	var names strings.Builder
	for i := range 1000 {
		names.WriteString(`"` + strings.Repeat(string(rune('a'+i%26)), 1+i/26) + `":{},`)
	}
	s := &intoto.Statement{
		Subject:   []intoto.Subject{{Name: "widget", Digest: map[string]string{"sha256": "9f", "sha512": "ab", "sha1": "cd"}}},
		Predicate: []byte(`{"names":{` + names.String() + `"end":1}}`),
	}
	for _, expression := range []string{
		`subject[0].digest.exists(k, k == "sha1")`,
		`{"a": 1, "b": 2, "c": 3, "d": 4}.exists(k, k == "c")`,
		`{"a": 1, "b": 2, "c": 3, "d": 4} != {"a": 1, "b": 3, "c": 4, "d": 5}`,
		`predicate.names.exists(k, k == "zzz") && has(predicate.names.end) && predicate.names != {}`,
	} {
		c, err := compile(expression)
		if err != nil {
			t.Fatal(err)
		}
		_, first, err := c.evaluate(s)
		if err != nil {
			t.Fatal(expression, err)
		}
		for range 20 {
			if _, m, err := c.evaluate(s); err != nil || m.steps != first.steps || m.bytes != first.bytes {
				t.Errorf("%s: %v, %d steps and %d bytes left, then %d and %d", expression, err, first.steps, first.bytes, m.steps, m.bytes)
			}
		}
	}
}

// TestExhaustedIsNotOutvoted checks that an exhausted meter is not an error of the expression,
// which || could override.
func TestExhaustedIsNotOutvoted(t *testing.T) {
	c, err := compile(`predicate.l.all(a, predicate.l.all(b, predicate.l.all(c, true))) || true`)
	if err != nil {
		t.Fatal(err)
	}
	s := &intoto.Statement{Predicate: []byte(`{"l":[` + strings.Repeat("1,", 500) + `1]}`)}
	if holds, _, err := c.evaluate(s); holds || !errors.Is(err, policy.ErrTooCostly) {
		t.Errorf("%v, %v", holds, err)
	}
}
