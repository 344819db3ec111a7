// SPDX-License-Identifier: Apache-2.0

package hallmark_test

import (
	"bytes"
	"go/ast"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFunctionComments refuses comments such as "X is", "X gives" or "X says": a function
// returns, reports, reads, writes.
func TestFunctionComments(t *testing.T) {
	for _, u := range units(t) {
		fset, files := u.source(t)
		for _, f := range files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && !isPlain(fn) {
					t.Errorf("%s: %s: begin the comment with a verb: returns, reports, reads, writes", fset.Position(fn.Pos()), fn.Name.Name)
				}
			}
		}
	}
}

func isPlain(fn *ast.FuncDecl) bool {
	words := strings.Fields(fn.Doc.Text())
	return len(words) < 2 || words[0] != fn.Name.Name || !slices.Contains([]string{"is", "are", "gives", "says", "has"}, words[1])
}

// TestLicense checks that each Go file names its license in its first line.
func TestLicense(t *testing.T) {
	for _, u := range units(t) {
		for _, name := range slices.Concat(u.GoFiles, u.IgnoredGoFiles, u.TestGoFiles, u.XTestGoFiles) {
			raw, err := os.ReadFile(filepath.Join(u.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(raw, []byte("// SPDX-License-Identifier: Apache-2.0\n\n")) {
				t.Errorf("%s/%s: begin with the line // SPDX-License-Identifier: Apache-2.0, then an empty line", u.room, name)
			}
		}
	}
}

// TestSizes checks that a package has at most 15 files, and a function at most 60
// lines. A command has one file for each verb.
func TestSizes(t *testing.T) {
	for _, u := range units(t) {
		if n := len(u.GoFiles); n > 15 && u.level() != command {
			t.Errorf("%s has %d files, want at most 15", u.room, n)
		}
		fset, files := u.source(t)
		for _, f := range files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fset.Position(fn.End()).Line-fset.Position(fn.Pos()).Line >= 60 {
					t.Errorf("%s: %s has more than 60 lines", fset.Position(fn.Pos()), fn.Name.Name)
				}
			}
		}
	}
}
