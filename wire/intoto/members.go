package intoto

import "fmt"

// maxNames is how many members an object of a statement may have: whoever reads JSON
// strictly remembers the names of one. longStatement is how many bytes a statement has
// that may have more.
const (
	maxNames      = 1_000_000
	longStatement = 4 * maxNames // {"":0,
)

// checkNames bounds the names of each object before anybody remembers them. It takes any
// text: what is no JSON is refused later.
func checkNames(text []byte) error {
	if len(text) < longStatement {
		return nil
	}
	var names []int // of the objects and arrays that are open
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

// maxDepth is how deep values may be nested, which the decoder holds to as well.
const maxDepth = 10_000
