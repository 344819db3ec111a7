// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"regexp"
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*@example.com", "alice@example.com", true},
		{"*@example.com", "alice@example.com.evil.example", false},
		{"*@example.com", "evil@evil.example@example.com", false},
		{"*@example.com", "a/b@example.com", false},
		{"**@example.com", "a/b@c@example.com", true},
		{"refs/tags/v*", "refs/tags/v1.2", true},
		{"refs/tags/v*", "refs/tags/v", true},
		{"refs/tags/v*", "refs/tags/v1/x", false},
		{"refs/tags/v*", "refs/heads/refs/tags/v1", false},
		{"https://example.com/acme/**", "https://example.com/acme/a/b@c", true},
		{"https://example.com/acme/**", "https://example.com/acmex", false},
		{"https://*.example.com/x", "https://evil.example/x.example.com/x", false},
		{"a*b*c", "abbcbc", true},
		{"a*b*c", "abbcb", false},
		{"a***", "a/@", true},
		{"*", "a", true},
		{"*", "", false},
		{"**", "", false},
		{"", "", false},
		{"a.c", "abc", false},
		{"[a]", "a", false},
		{"a?", "ab", false},
		{`\*`, "*", false},
		{"a*", "a\n", true},
	} {
		if Glob(c.pattern).Match(c.name) != c.want {
			t.Errorf("%q of %q: want %v", c.pattern, c.name, c.want)
		}
	}
}

// TestGlobIsQuick checks that stars add no cost beyond the product of the
// lengths.
func TestGlobIsQuick(t *testing.T) {
	if Glob(strings.Repeat("*a", 2000)).Match(strings.Repeat("a", maxName) + "b") {
		t.Error("matched")
	}
}

// FuzzGlob compares Glob with package regexp.
func FuzzGlob(f *testing.F) {
	f.Add("*@example.com", "alice@example.com")
	f.Add("a**b*", "a/b@b")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 100 || len(name) > 100 {
			return
		}
		text := regexp.QuoteMeta(pattern)
		text = strings.ReplaceAll(text, `\*\*`, `(?s:.*)`)
		text = strings.ReplaceAll(text, `\*`, `[^/@]*`)
		re, err := regexp.Compile(`\A(?:` + text + `)\z`)
		if err != nil || !isASCII(pattern+name) {
			return
		}
		if got, want := Glob(pattern).Match(name), name != "" && pattern != "" && re.MatchString(name); got != want {
			t.Errorf("%q of %q: %v, by %v %v", pattern, name, got, re, want)
		}
	})
}

// isASCII reports whether s is ASCII: package regexp works on runes, Glob on bytes.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
