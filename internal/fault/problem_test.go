// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/hallmark-sign/hallmark/internal/fault"
)

// hostile has each kind of character that draws on a terminal or hides.
const hostile = "a\x1b[2J\u009b2Jb\u202egnp.\u2066\u200b\ufeff\u2028\U000e0041\r\n\n\n\nc"

// TestPrintable shows that what others wrote reaches the terminal escaped and bounded.
func TestPrintable(t *testing.T) {
	p := &fault.Problem{Exit: fault.ExitRefused, Subject: hostile, Code: "unsigned", Expected: hostile, Found: strings.Repeat("\n", 1<<20), Err: errors.New(hostile + strings.Repeat("€", 1<<20))}
	text := p.Text(hostile)
	if len(text) > 20_000 || strings.Contains(text, "\n\n") {
		t.Errorf("%d bytes: %.300s", len(text), text)
	}
	for _, r := range text {
		if r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			t.Errorf("%U is printed", r)
		}
	}
}

// TestEscapeJSON shows that JSON hides nothing either, and means the same.
func TestEscapeJSON(t *testing.T) {
	raw, err := json.Marshal([]string{hostile, "plain é 😀"})
	if err != nil {
		t.Fatal(err)
	}
	escaped := fault.EscapeJSON(raw)
	for _, r := range string(escaped) {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			t.Errorf("%U is printed", r)
		}
	}
	var back []string
	if err := json.Unmarshal(escaped, &back); err != nil || back[0] != hostile || back[1] != "plain é 😀" {
		t.Errorf("%q, %v", back, err)
	}
}
