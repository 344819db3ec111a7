// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"regexp"

	"github.com/hallmark-sign/hallmark/internal/fault"
)

// PlainProblem returns the problem with the jargon of libraries replaced in its reason.
func PlainProblem(p *fault.Problem) *fault.Problem {
	told := *p
	told.Err = errors.New(Plain(p.Err.Error()))
	return &told
}

// Plain returns an error's text without the voices of the libraries that read a file:
// where it is wrong, and what is wrong there, but no types of this program. What it does not
// know stays as it is.
func Plain(text string) string {
	for _, rule := range []struct{ voice, words string }{
		{`\byaml: unmarshal errors:\s*`, ""},
		{`(^|: )yaml: (line \d+: )?`, "${1}${2}not YAML: "},
		{`field (\S+) not found in type [\w.*\[\]]+`, "there is no member $1"},
		{`field (\S+) already set in type [\w.*\[\]]+`, "the member $1 is there twice"},
		{"cannot unmarshal !!\\w+ (`.*?`) into [\\w.*\\[\\]]+", "$1 is no value for this member"},
		{`cannot unmarshal !!map into [\w.*\[\]]+`, "members are no value for this member"},
		{`cannot unmarshal !!seq into [\w.*\[\]]+`, "a list is no value for this member"},
		{`json: (?:cannot|unable to) unmarshal (?:JSON )?(\w+)(?: [^:]*?)? into Go [^:;]*`, "a JSON $1 where something else belongs"},
		{`(^|: )(?:json|jsontext): `, "$1"},
		{`strconv\.\w+: parsing (".*?"): invalid syntax`, "$1 is no number"},
		{`strconv\.\w+: parsing (".*?"): value out of range`, "$1 is out of range"},
		{`asn1: (?:structure|syntax) error: `, "not DER: "},
		{`(^|: )(?:x509|asn1|pem): `, "$1"},
	} {
		text = regexp.MustCompile(rule.voice).ReplaceAllString(text, rule.words)
	}
	return text
}
