// SPDX-License-Identifier: Apache-2.0

package intoto

import "fmt"

// maxNames bounds the members of each object of a statement, because a strict
// JSON decoder keeps all names of an object in memory. A statement shorter than
// longStatement, in bytes, cannot have more.
const (
	maxNames      = 1_000_000
	longStatement = 4 * maxNames // {"":0,
)

// checkNames bounds the number of members of each object before the text is
// decoded. It accepts invalid JSON, which the decoder refuses later.
func checkNames(text []byte) error {
	if len(text) < longStatement {
		return nil
	}
	var names []int // number of members of each open object or array
	inString := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++
		case inString:
		case c == '{' || c == '[':
			names = append(names, 0)
		case (c == '}' || c == ']') && len(names) > 0:
			names = names[:len(names)-1]
		case c == ':' && len(names) > 0:
			if names[len(names)-1]++; names[len(names)-1] > maxNames {
				return fmt.Errorf("an object of more than %d members", maxNames)
			}
		}
		if len(names) > maxDepth {
			return fmt.Errorf("values nested more than %d deep", maxDepth)
		}
	}
	return nil
}

// maxDepth bounds the nesting of values. The decoder has the same limit.
const maxDepth = 10_000
