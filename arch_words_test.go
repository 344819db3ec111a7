package hallmark_test

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// notYetPlain returns the directories with function comments that TestFunctionComments
// refuses elsewhere. The list must only shrink.
func notYetPlain() []string {
	return []string{
		"internal/fault", "internal/find", "internal/judge", "internal/report",
	}
}

// TestFunctionComments refuses comments such as "X is", "X gives" or "X says": a function
// returns, reports, reads, writes.
func TestFunctionComments(t *testing.T) {
	allowed := notYetPlain()
	for _, u := range units(t) {
		fset, files := u.source(t)
		var refused []string
		for _, f := range files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && !isPlain(fn) {
					refused = append(refused, fset.Position(fn.Pos()).String()+": "+fn.Name.Name)
				}
			}
		}
		switch exempt := slices.Contains(allowed, u.room); {
		case exempt && len(refused) == 0:
			t.Errorf("%s has plain comments: remove it from notYetPlain", u.room)
		case !exempt:
			for _, name := range refused {
				t.Errorf("%s: begin the comment with a verb: returns, reports, reads, writes", name)
			}
		}
	}
}

func isPlain(fn *ast.FuncDecl) bool {
	words := strings.Fields(fn.Doc.Text())
	return len(words) < 2 || words[0] != fn.Name.Name || !slices.Contains([]string{"is", "are", "gives", "says", "has"}, words[1])
}
