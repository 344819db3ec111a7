// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// maxPredicate leaves room in a bundle for base64 and all else.
const maxPredicate = 100 << 20

// readPredicate reads JSON that every reader reads alike.
func readPredicate(file string) ([]byte, error) {
	raw, err := find.ReadFile(file, maxPredicate)
	if err != nil {
		return nil, err
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")) // which .NET writes, and no reader gets
	predicate := jsontext.Value(bytes.TrimSpace(raw))
	if !predicate.IsValid() || predicate.Kind() != '{' {
		return nil, fault.Unreadable(file, find.Encoding(raw, errors.New("it is not a JSON object")))
	}
	if s, err := intoto.Parse(predicate); err == nil {
		return nil, &fault.Problem{
			Exit: fault.ExitUsage, Subject: file, Code: "usage", Err: fmt.Errorf("it is a whole in-toto statement of type %s, not its predicate alone", s.PredicateType),
			Remedy: "predicate-alone", Names: []string{s.PredicateType},
		}
	}
	return compact(predicate), nil
}

// compact takes the spaces out of JSON, in place: there may be a hundred megabytes.
func compact(valid []byte) []byte {
	out, inString := valid[:0], false
	for i := 0; i < len(valid); i++ {
		c := valid[i]
		switch {
		case c == '"':
			inString = !inString
		case inString && c == '\\': // what it escapes ends no string
			out = append(out, c)
			i++
			c = valid[i]
		case !inString && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		out = append(out, c)
	}
	return out
}
