// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"strings"
	"testing"
)

func fields(values map[string]string) lookup {
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

func TestTemplates(t *testing.T) {
	claims := fields(map[string]string{"a": "x", "b": "y", "empty": "", "word": "false", "a/b": "slash"})
	for text, want := range map[string]string{
		"a":                                   "x",
		"a/b":                                 "slash",
		"{{.a}}-{{ .b }}":                     "x-y",
		"{{- .a -}}  z":                       "xz",
		`{{index . "a/b"}}`:                   "slash",
		`{{(index . "a/b")}}`:                 "slash",
		`{{if eq .a "x"}}1{{end}}`:            "1",
		`{{if eq .a .b}}1{{else}}2{{end}}`:    "2",
		`{{if (eq .a "y")}}1{{else}}2{{end}}`: "2",
		`{{if .empty}}1{{else}}2{{end}}`:      "2",
		`{{if .word}}1{{else}}2{{end}}`:       "1",
		`{{if eq .a "z"}}1{{else if eq .b "y"}}2{{end}}`:                           "2",
		`{{if eq (index . "a/b") "slash"}}{{if .a}}both{{end}}{{end}}{{/* no */}}`: "both",
		`{{"{{"}}`: "{{",
	} {
		parsed, err := ParseTemplate(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := parsed.render(claims); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
}

// TestTemplatesRefuse checks that a template can do nothing but insert and compare.
func TestTemplatesRefuse(t *testing.T) {
	for _, text := range []string{
		"", "{{", "{{.a", "{{}}", "{{.}}", "{{.a.b}}", "{{$x := .a}}{{$x}}", "{{$}}", "{{.a | index .}}", `{{printf "%s" .a}}`,
		`{{html .a}}`, `{{js .a}}`, `{{call .a}}`, `{{len .a}}`, `{{not .a}}`, `{{and .a .b}}`, `{{or .a .b}}`, `{{slice .a 1}}`,
		`{{range .a}}x{{end}}`, `{{with .a}}x{{end}}`, `{{template "x"}}`, `{{define "x"}}y{{end}}{{template "x"}}`, `{{define "x"}}y{{end}}{{.a}}`,
		`{{block "x" .}}y{{end}}`, `{{break}}`, `{{index .a "b"}}`, `{{index . .a}}`, `{{index . "a" "b"}}`, `{{index .}}`, `{{eq .a}}`, `{{eq .a "1" "2"}}`,
		`{{eq .a 1}}`, `{{if true}}x{{end}}`, `{{nil}}`, `{{(.a).b}}`, `{{eq}}`, `{{if eq .a .b | eq .b}}x{{end}}`,
		strings.Repeat("{{if .a}}", 10) + strings.Repeat("{{end}}", 10),
		"{{" + strings.Repeat("(", 10) + ".a" + strings.Repeat(")", 10) + "}}",
		"{{.a}}" + strings.Repeat("x", maxTemplate),
	} {
		if parsed, err := ParseTemplate(text); err == nil {
			t.Errorf("%.80s: parsed as %v", text, parsed)
		}
	}
}

// TestTemplatesNeedTheirClaims checks that a missing claim is an error, also in a branch
// that is not taken, and that the output has a limit.
func TestTemplatesNeedTheirClaims(t *testing.T) {
	for text, claims := range map[string]map[string]string{
		"a":                                     {"b": "1"},
		"{{.a}}":                                {"b": "1"},
		`{{index . "a"}}`:                       {"b": "1"},
		`{{if eq .b "1"}}{{else}}{{.a}}{{end}}`: {"b": "1"},
		"{{.big}}{{.big}}":                      {"big": strings.Repeat("x", maxValue/2+1)},
		"big":                                   {"big": strings.Repeat("x", maxValue+1)},
	} {
		parsed, err := ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parsed.render(fields(claims)); err == nil {
			t.Errorf("%s: got %.40q", text, got)
		}
	}
	bomb, err := ParseTemplate(strings.Repeat("{{.a}}", maxTemplate/6))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := bomb.render(fields(map[string]string{"a": strings.Repeat("x", 16<<10)})); err == nil || len(got) > 2*16<<10 {
		t.Errorf("a template made %d bytes, %v", len(got), err)
	}
}

// FuzzTemplate checks that no template panics or makes too much.
func FuzzTemplate(f *testing.F) {
	for _, d := range services {
		f.Add(d.subject, "x")
		for _, text := range d.build {
			f.Add(text, "refs/heads/main")
		}
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		parsed, err := ParseTemplate(text)
		if err != nil {
			return
		}
		got, err := parsed.render(func(string) (string, bool) { return value, true })
		if err == nil && len(got) > maxValue {
			t.Errorf("%q makes %d bytes", text, len(got))
		}
		if got, err := parsed.render(func(string) (string, bool) { return "", false }); err == nil && len(parsed.Claims()) > 0 {
			t.Errorf("%q makes %q without claims", text, got)
		}
	})
}
