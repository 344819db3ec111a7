// SPDX-License-Identifier: Apache-2.0

package cel_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/policy/cel"
)

// A hostile is a condition that would take hours or gigabytes on a predicate.
type hostile struct{ name, expression, predicate string }

// costly returns conditions on predicates of about n thousand bytes.
func costly(n int) []hostile {
	size := n << 10
	text := `"` + strings.Repeat("x", size) + `"`
	list := "[" + strings.Repeat("1,", size/2) + "1]"
	texts := "[" + strings.Repeat(`"xxxxxxxxxxxxxxxxxxxxxxxxxxxxx",`, size/32) + `"y"]`
	var object strings.Builder
	for i := range size / 12 {
		fmt.Fprintf(&object, `"k%06d":1,`, i)
	}
	predicate := fmt.Sprintf(`{"list":%s,"map":{%s"z":1},"text":%s,"texts":%s}`, list, object.String(), text, texts)
	all := func(inner string) string {
		return "predicate.list.all(x, predicate.list.all(y, " + inner + "))"
	}
	return []hostile{
		{"in", all("!(2 in predicate.list)"), predicate},
		{"in, deep", all("!([predicate.list] in [[predicate.texts], [predicate.list + [1]]])"), predicate},
		{"in, strings", all("!(predicate.text in [predicate.text + 'x', 'x' + predicate.text])"), predicate},
		{"equal", all("predicate.list == predicate.list"), predicate},
		{"equal objects", all("predicate.map == predicate.map"), predicate},
		{"equal, doubled", "[predicate.text]" + strings.Repeat(".map(a, [a, a])", 40) + " == [predicate.text]" + strings.Repeat(".map(a, [a, a])", 40), predicate},
		{"concatenation", strings.Repeat("[predicate.text].map(s, s + s)", 1) + strings.Repeat(".map(s, s + s + s + s)", 12) + ".size() == 1", predicate},
		{"lists together", "[predicate.list]" + strings.Repeat(".map(l, l + l + l + l)", 12) + "[0].size() > 0", predicate},
		{"chains", all("(predicate.list + predicate.list + predicate.list)[3] == 1"), predicate},
		{"bytes", all("bytes(predicate.text) != b''"), predicate},
		{"conversion", all("string(bytes(predicate.text)) == predicate.text"), predicate},
		{"number", all("int(predicate.text) == 1 || true"), predicate},
		{"size", all("size(predicate.text) > 0"), predicate},
		{"matches", all("!predicate.text.matches('(x*x*x*x*x*x*x*x*)*y')"), predicate},
		{"matches, large", "!predicate.text.matches('" + strings.Repeat("(x{1,30}){1,30}", 20) + "y') && " + all("true"), predicate},
		{"contains", all("!predicate.text.contains(predicate.text + 'y')"), predicate},
		{"order", all("predicate.text <= predicate.text"), predicate},
		{"nesting of a map", "predicate.list.all(x, predicate.map.exists(k, true)) && " + all("predicate.map.exists(k, true)"), predicate},
		{"names", all("predicate.map.all(k, k.startsWith('k') || true)"), predicate},
		{"index by a long name", all("!(predicate.text in {'a': 1}) && !has(predicate.map.a)"), predicate},
		{"name of a literal", all("{predicate.text: 1}[predicate.text] == 1"), predicate},
		{"collecting", "predicate.list.map(x, predicate.list.map(y, predicate.list.map(z, [x, y, z]))).size() > 0", predicate},
		{"time zones", all("timestamp('2024-01-01T00:00:00Z').getHours('Europe/Berlin') > 0"), predicate},
	}
}

// TestTooCostly checks that each condition is found too costly, soon and with little memory.
// cel-go alone runs them to their end, as it computes the cost of a step afterwards.
func TestTooCostly(t *testing.T) {
	for n, c := range costly(100) {
		t.Run(c.name, func(t *testing.T) {
			if n%4 != 0 && !testkit.Nightly() {
				t.Skip("nightly: each takes up to a second of computing")
			}
			condition, err := cel.Compile(c.expression)
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			holds, err := condition(about(c.predicate))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if holds || !errors.Is(err, policy.ErrTooCostly) {
				t.Errorf("%v, %v", holds, err)
			}
			if took > 30*time.Second {
				t.Errorf("after %s", took)
			}
			t.Logf("%s, %d MiB", took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20)
		})
	}
}
