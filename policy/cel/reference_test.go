// SPDX-License-Identifier: Apache-2.0

package cel_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	reference "cel.dev/cel-go/cel"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/policy/cel"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// interpreted returns the result of cel-go's own interpreter.
func interpreted(expression string, predicate any) (bool, error) {
	env, err := reference.NewEnv(
		reference.Variable("predicate", reference.DynType),
		reference.Variable("predicateType", reference.StringType),
		reference.Variable("subject", reference.ListType(reference.DynType)),
	)
	if err != nil {
		return false, err
	}
	checked, issues := env.Compile(expression)
	if err := issues.Err(); err != nil {
		return false, err
	}
	program, err := env.Program(checked, reference.CostLimit(100_000))
	if err != nil {
		return false, err
	}
	value, _, err := program.Eval(map[string]any{
		"predicate": predicate, "predicateType": "https://example.com/type",
		"subject": []any{map[string]any{"name": "widget", "digest": map[string]any{"sha256": "9f86"}}},
	})
	if err != nil {
		return false, err
	}
	holds, ok := value.Value().(bool)
	if !ok {
		return false, errors.New("no truth value")
	}
	return holds, nil
}

// wholeNumbers reads numbers without fraction as int64 or uint64.
func wholeNumbers(d *jsontext.Decoder, v *any) error {
	if d.PeekKind() != '0' {
		return errors.ErrUnsupported
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		*v = n
		return nil
	}
	if n, err := strconv.ParseUint(string(raw), 10, 64); err == nil {
		*v = n
		return nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	*v = f
	return err
}

// about returns a statement with a predicate.
func about(predicate string) *intoto.Statement {
	return &intoto.Statement{
		Subject: []intoto.Subject{{Name: "widget", Digest: map[string]string{"sha256": "9f86"}}}, PredicateType: "https://example.com/type",
		Predicate: []byte(predicate),
	}
}

const whole = `{"a":[1,2,3],"b":{"x":{"y":"z"},"k":1.5},"s":"a \u00fc string","n":null,"t":true,"big":[[1,[2]],{"q":[]}],` +
	`"words":["one","two","three"],"num":-7.25,"un\"quoted":1,"d":"90s","at":"2024-02-29T12:00:00Z"}`

// TestAsTheReference checks that compiled conditions return what cel-go's interpreter returns.
func TestAsTheReference(t *testing.T) {
	for _, expression := range expressions {
		same(t, expression, whole)
	}
}

var expressions = []string{
	`predicate.a == [1, 2, 3]`, `predicate.a[1] == 2 && predicate.a[2.0] == 3`, `predicate.a[3] == 1`, `predicate.a[-1] == 1`, `predicate.a["x"] == 1`,
	`predicate.b == {"x": {"y": "z"}, "k": 1.5}`, `{"x": {"y": "z"}, "k": 1.5} == predicate.b`, `predicate.b != {"x": 1, "k": 2}`,
	`predicate.b.x.y == "z"`, `predicate["b"]["x"].y == "z"`, `predicate[predicate.words[0]] == 1`, `predicate.b.missing.y == 1`,
	`has(predicate.b.x)`, `has(predicate.b.q)`, `has(predicate.b.q.r)`, `has(predicate.s.x)`, `has(predicate.a.x)`, `has(predicate.n.x)`, `!has(predicate.q)`,
	`predicate.q || true`, `true || predicate.q`, `false || predicate.q`, `predicate.q && false`, `1 == 1 && predicate.s`, `predicate.s || predicate.t`,
	`predicate.t ? predicate.q : true`, `predicate.s ? true : false`, `predicate.q ? true : false`, `!predicate.s`, `!predicate.t`,
	`1 in predicate.a`, `1.0 in predicate.a`, `"x" in predicate.b`, `1 in predicate.b`, `"y" in predicate.words`, `1 in predicate.s`, `[2] in predicate.big[0]`,
	`predicate.a.all(x, x > 0)`, `predicate.a.all(x, x > 1)`, `predicate.a.exists(x, x == 2)`, `predicate.a.exists(x, x.y)`, `predicate.a.exists_one(x, x == 2)`,
	`predicate.a.all(x, x.y == 1)`, `predicate.a.exists(x, x / (x - 1) == 2)`, `predicate.a.all(x, 6 / (x - 1) == 0)`, `predicate.s.all(x, true)`, `[].all(x, x)`,
	`predicate.a.map(x, x + 1) == [2, 3, 4]`, `predicate.a.filter(x, x > 1) == [2, 3]`, `predicate.a.map(x, x > 1, x * 2) == [4, 6]`, `predicate.a.map(x, x.y) == []`,
	`predicate.a.map(x, [].map(y, 1)) == [[], [], []]`, `predicate.a.map(x, predicate.a.map(y, x * y))[2] == [3, 6, 9]`, `predicate.a.filter(x, x.y) == []`,
	`predicate.a.map(x, predicate.a.filter(y, y < x).map(z, z)) == [[], [1], [1, 2]]`, `predicate.a.filter(x, predicate.a.filter(y, y == x) == [x]).size() == 3`,
	`predicate.b.all(k, k in ["x", "k"])`, `predicate.b.exists(k, predicate.b[k] == 1.5)`, `predicate.b.map(k, k).size() == 2`, `{1: 2, 3: 4}.all(k, k < 4)`,
	`{"a": 1, "b": 2}.exists(k, k == "b")`, `{1: "a", "x": "b", true: "c"}.size() == 3`, `{1: 1}[1.0] == 1`, `{predicate.s: 1}[predicate.s] == 1`,
	`predicate.a + [4] == [1, 2, 3, 4]`, `[1] + predicate.a == [1, 1, 2, 3]`, `predicate.a + 1 == 1`, `predicate.s + "!" == "a ü string!"`, `predicate.s + 1 == ""`,
	`(predicate.a + predicate.a + predicate.a)[5] == 3`, `predicate.a.filter(x, true) + predicate.a.filter(x, x > 5) == predicate.a`,
	`size(predicate.s) == 10`, `predicate.s.size() == 10`, `size(predicate.b) == 2`, `size(predicate.num) == 1`, `size(b"abc") == 3`, `size(bytes(predicate.s)) == 11`,
	`string(1) == "1"`, `string(predicate.num) == "-7.25"`, `int("12") == 12`, `int(predicate.s) == 1`, `int(predicate.num) == -7`, `double("1.5") == predicate.b.k`,
	`bytes(predicate.s) == b"a ü string"`, `string(b"abc") == "abc"`, `bool("true")`, `uint(1) == 1u`, `string(predicate.a) == ""`, `dyn(predicate.s) == predicate.s`,
	`type(predicate.s) == string`, `type(predicate.b) == map`, `type(predicate.a) == list`, `type(predicate.n) == null_type`, `type(1) == int`, `type(type(1)) == type`,
	`predicate.n == null`, `predicate.a == null`, `null in [null]`, `predicate.n in [1, null]`, `predicate.t == true`, `predicate.t == 1`, `predicate.num == -7.25`,
	`predicate.s.startsWith("a ")`, `predicate.s.endsWith("g")`, `predicate.s.contains("str")`, `predicate.a.contains(1)`, `predicate.s.startsWith(1)`,
	`predicate.s.matches("^a . str")`, `matches(predicate.s, "x+")`, `predicate.a.matches("x")`, `predicate.words.exists(w, w.matches("t.o"))`,
	`predicate.s < "b"`, `predicate.num < 1`, `predicate.num <= -7.25`, `predicate.a < [1]`, `1 < 2u`, `"a" < 1`, `b"a" < b"b"`, `predicate.a[0] >= 1`,
	`predicate.a[0] - 1 == 0`, `-predicate.a[0] == -1`, `predicate.a[0] * 2 == 2`, `7 % 4 == 3`, `1 / 0 == 1`, `9223372036854775807 + 1 == 0`, `-predicate.s == 1`,
	`duration(predicate.d) == duration("1m30s")`, `timestamp(predicate.at).getFullYear() == 2024`, `timestamp(predicate.at) + duration("24h") > timestamp(predicate.at)`,
	`timestamp(predicate.at).getHours("+02:00") == 14`, `timestamp(predicate.at).getHours(predicate.s) == 1`, `timestamp(predicate.at) - timestamp(predicate.at) == duration("0s")`,
	`predicate["un\"quoted"] == 1`, `predicate.big == [[1, [2]], {"q": []}]`, `predicate.big != [[1, [2]], {"q": [1]}]`, `predicate == predicate`,
	`subject[0].name == "widget" && subject[0].digest.sha256 == "9f86"`, `subject.all(s, s.digest == {"sha256": "9f86"})`, `predicateType == "https://example.com/type"`,
	`predicate.a.all(predicate, predicate > 0)`, `predicate.a.all(a, predicate.words.all(a, type(a) == string) && a > 0)`, `[1, 2].exists(i, [i, 3].exists(i, i == 3) && i == 2)`,
	`predicate`, `predicate.t`, `predicate.a`, `google.protobuf.Timestamp == type(timestamp(0))`, `predicate.a.exists_one(x, x > 1)`, `predicate.a.exists_one(x, x.y)`,
}

func same(t *testing.T, expression, predicate string) {
	t.Helper()
	var parsed any
	if json.Unmarshal([]byte(predicate), &parsed, json.WithUnmarshalers(json.UnmarshalFromFunc(wholeNumbers))) != nil {
		return
	}
	want, failed := interpreted(expression, parsed)
	condition, err := cel.Compile(expression)
	if err != nil {
		if failed == nil {
			t.Errorf("%s does not compile: %v", expression, err)
		}
		return
	}
	got, err := condition(about(predicate))
	if errors.Is(err, policy.ErrTooCostly) || failed != nil && strings.Contains(failed.Error(), "cost limit") {
		return
	}
	if got != want || (err == nil) != (failed == nil) {
		t.Errorf("%s on %s: got %v, %v; cel-go's interpreter says %v, %v", expression, predicate, got, err, want, failed)
	}
}

// FuzzCondition checks that an evaluation ends soon, returns the same result twice, and the
// same as cel-go's interpreter.
func FuzzCondition(f *testing.F) {
	for _, expression := range expressions {
		f.Add(expression, whole)
	}
	for _, c := range costly(3)[:testkit.Rounds(1, 3)] {
		f.Add(c.expression, c.predicate)
	}
	f.Fuzz(func(t *testing.T, expression, predicate string) {
		condition, err := cel.Compile(expression)
		if err != nil {
			return
		}
		start := time.Now()
		first, err := condition(about(predicate))
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s for %d bytes", took, len(predicate))
		}
		if second, again := condition(about(predicate)); second != first || fmt.Sprint(err) != fmt.Sprint(again) {
			t.Errorf("%v, %v; then %v, %v", first, err, second, again)
		}
		if err != nil && strings.Contains(err.Error(), "panic") {
			t.Error(err)
		}
		if len(predicate) < 4<<10 && !errors.Is(err, policy.ErrTooCostly) {
			same(t, expression, predicate)
		}
	})
}
