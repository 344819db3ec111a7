// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/fault"
)

type written struct {
	Number int
	Names  []string
}

// TestNoVoiceOfALibrary checks that errors of parsers contain the position and the cause, in
// plain words.
func TestNoVoiceOfALibrary(t *testing.T) {
	inYAML := func(text string) error {
		d := yaml.NewDecoder(strings.NewReader(text))
		d.KnownFields(true)
		return d.Decode(new(written))
	}
	inJSON := func(text string) error { return json.Unmarshal([]byte(text), &struct{ N int }{}) }
	inBundle := func(text string) error {
		_, err := bundle.Parse([]byte(text))
		return err
	}
	_, number := strconv.ParseInt("x", 10, 64)
	_, large := strconv.ParseInt("99999999999999999999", 10, 64)
	_, certificate := x509.ParseCertificate([]byte("x"))
	for want, err := range map[string]error{
		"line 2: not YAML: ":                        inYAML("a: [\nb"),
		"line 2: there is no member nummer":         inYAML("number: 1\nnummer: 3"),
		"line 1: `x` is no value for this member":   inYAML("number: x"),
		"line 1: members are no value":              inYAML("names: {a: b}"),
		"line 1: a list is no value":                inYAML("number: [a]"),
		"a JSON string where something else":        inJSON(`{"N":"x"}`),
		"invalid character":                         inJSON(`{`[:0] + "x"),
		`line 1, column 2: unknown field "zzz"`:     inBundle(`{"zzz":1}`),
		"line 1, column 1: the document can't be [": inBundle(`[]`),
		"mediaType can't be 3":                      inBundle(`{"mediaType":3}`),
		`"x" is no number`:                          number,
		"is out of range":                           large,
		"malformed certificate":                     certificate,
		"certificate signed by unknown":             x509.UnknownAuthorityError{},
		"as others say it":                          errors.New("as others say it"),
		"opening hallmark.yaml: no such file":       errors.New("opening hallmark.yaml: no such file"),
	} {
		p := PlainProblem(&fault.Problem{Exit: fault.ExitUsage, Code: "unreadable", Err: fmt.Errorf("reading it: %w", err)})
		for _, text := range []string{p.Text(""), p.Report("").Reason} {
			if !strings.Contains(text, want) {
				t.Errorf("%q in place of %q", text, want)
			}
			for _, voice := range []string{"proto:", " yaml:", "json:", "strconv", "x509:", "unmarshal", "struct", "!!"} {
				if strings.Contains(text, voice) {
					t.Errorf("%s in %q", voice, text)
				}
			}
		}
	}
}
