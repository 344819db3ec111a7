// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Set holds the claims of a token by name:
//
//	{"repository":"octo-org/app","run_attempt":1,"groups":["release"]}
type Set map[string]jsontext.Value

// A Refusal is the reason why a token is refused. It quotes no claim's value.
type Refusal string

// Error returns the reason.
func (r Refusal) Error() string { return string(r) }

// ForClient returns the reason, which may be sent to the client.
func (r Refusal) ForClient() string { return string(r) }

func refusef(format string, args ...any) error { return Refusal(fmt.Sprintf(format, args...)) }

// Parse parses the payload of a token. It refuses members that occur twice.
func Parse(payload []byte) (Set, error) {
	if len(payload) == 0 || payload[0] != '{' { // null would be an empty object
		return nil, errors.New("not an object")
	}
	var s Set
	return s, json.Unmarshal(payload, &s)
}

// Text returns a claim as text: a string, or the literal of a number or of a
// boolean. It reports false for a claim that is missing, null, a list or an object.
func (s Set) Text(name string) (string, bool) { return text(s[name]) }

func text(v jsontext.Value) (string, bool) {
	switch v.Kind() {
	case '"':
		var t string
		err := json.Unmarshal(v, &t)
		return t, err == nil
	case '0', 't', 'f':
		return string(v), true
	}
	return "", false
}

// Texts returns a claim as a list of texts. A claim that is no list has at most one.
func (s Set) Texts(name string) []string {
	values := []jsontext.Value{s[name]}
	if s[name].Kind() == '[' && json.Unmarshal(s[name], &values) != nil {
		return nil
	}
	var all []string
	for _, v := range values {
		if t, ok := text(v); ok {
			all = append(all, t)
		}
	}
	return all
}

// within returns the claims inside of an object, which are none if the claim is
// missing or no object.
func (s Set) within(name string) Set {
	inner, err := Parse(s[name])
	if err != nil {
		return nil
	}
	return inner
}
