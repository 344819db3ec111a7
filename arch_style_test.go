// SPDX-License-Identifier: Apache-2.0

package hallmark_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestComments checks the beginning of comments: functions return, report, read or write, a
// type "is" or "holds". It refuses "X is", "X gives" and "X knows" of a function, and "X are",
// "X gives" and "X tells" of a type.
func TestComments(t *testing.T) {
	for _, u := range units(t) {
		fset, files := u.source(t)
		for _, f := range files {
			for _, d := range f.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if slices.Contains([]string{"is", "are", "gives", "says", "has", "tells", "knows"}, verb(d.Name.Name, d.Doc)) {
						t.Errorf("%s: %s: begin the comment with a verb: returns, reports, reads, writes", fset.Position(d.Pos()), d.Name.Name)
					}
				case *ast.GenDecl:
					for _, wrong := range wrongTypes(d) {
						t.Errorf("%s: %s: begin the comment with \"A %[2]s is\" or \"%[2]s holds\"", fset.Position(wrong.Pos()), wrong.Name.Name)
					}
				}
			}
		}
	}
}

// wrongTypes returns the types in d whose comments don't begin as a type's comment should.
func wrongTypes(d *ast.GenDecl) (wrong []*ast.TypeSpec) {
	for _, spec := range d.Specs {
		typ, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		doc := typ.Doc
		if doc == nil && !d.Lparen.IsValid() {
			doc = d.Doc
		}
		if doc == nil {
			continue
		}
		if v := verb(typ.Name.Name, doc); v == "" || slices.Contains([]string{"are", "gives", "says", "tells"}, v) {
			wrong = append(wrong, typ)
		}
	}
	return wrong
}

// verb returns the word after the name that a comment begins with, or "" if it does not begin
// with the name. An article may come first.
func verb(name string, doc *ast.CommentGroup) string {
	words := strings.Fields(doc.Text())
	if len(words) > 0 && (words[0] == "A" || words[0] == "An") {
		words = words[1:]
	}
	if len(words) < 2 || words[0] != name {
		return ""
	}
	return words[1]
}

// dialect matches words that leave out who acts, or that few readers know.
var dialect = regexp.MustCompile(`(?i)\b(whoever|whomever|nobody|somebody|anybody|everybody|seldom|in vain)\b`)

// TestDialect refuses words in comments, of tests too, that leave out who acts: name the
// client, the operator, the registry.
func TestDialect(t *testing.T) {
	for _, u := range units(t) {
		for _, name := range slices.Concat(u.GoFiles, u.IgnoredGoFiles, u.TestGoFiles, u.XTestGoFiles) {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(u.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range f.Comments {
				for _, c := range group.List {
					if word := dialect.FindString(c.Text); word != "" {
						t.Errorf("%s: say who instead of %q", fset.Position(c.Pos()), word)
					}
				}
			}
		}
	}
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
