// SPDX-License-Identifier: Apache-2.0

package hallmark_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

func TestNoNolintNoInit(t *testing.T) {
	for _, u := range units(t) {
		fset, files := u.source(t)
		for _, f := range files {
			for _, group := range f.Comments {
				if at := nolint(group); at.IsValid() {
					t.Errorf("%s: mend what the linter found", fset.Position(at))
				}
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" && u.level() != command {
					t.Errorf("%s: init runs unasked; make it a function", fset.Position(fn.Pos()))
				}
			}
		}
	}
}

// TestGuessingIsDear refuses code that makes keys or passwords cheap to guess, which is only
// for tests.
func TestGuessingIsDear(t *testing.T) {
	weak := []string{"CheapUnsafe", "CheapKeysUnsafe"}
	for _, u := range units(t) {
		fset, files := u.source(t)
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				for name, value := range fieldsSet(n) {
					if slices.Contains(weak, name) && !passesOn(value, weak) {
						t.Errorf("%s: %s is for tests", fset.Position(n.Pos()), name)
					}
				}
				return true
			})
		}
	}
}

// fieldsSet returns the fields that a node sets, with the values.
func fieldsSet(n ast.Node) map[string]ast.Expr {
	set := map[string]ast.Expr{}
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok {
			set[key.Name] = n.Value
		}
	case *ast.AssignStmt:
		for i, to := range n.Lhs {
			if field, ok := to.(*ast.SelectorExpr); ok {
				set[field.Sel.Name] = n.Rhs[min(i, len(n.Rhs)-1)]
			}
		}
	}
	return set
}

// passesOn reports whether a value is a field of one of the names.
func passesOn(value ast.Expr, names []string) bool {
	field, ok := value.(*ast.SelectorExpr)
	return ok && slices.Contains(names, field.Sel.Name)
}

func nolint(group *ast.CommentGroup) token.Pos {
	for _, c := range group.List {
		if strings.HasPrefix(strings.TrimLeft(c.Text, "/* "), "nolint") {
			return c.Pos()
		}
	}
	return token.NoPos
}

func TestNoMutablePackageVariables(t *testing.T) {
	for _, u := range units(t) {
		fset, files := u.source(t)
		written := assigned(files)
		for _, f := range files {
			for _, v := range packageVariables(f) {
				if why := mutable(v, written); why != "" {
					t.Errorf("%s: package variable %s %s", fset.Position(v.name.Pos()), v.name.Name, why)
				}
			}
		}
	}
}

// A variable is a package-level name with its declaration.
type variable struct {
	name     *ast.Ident
	value    ast.Expr // nil without one
	embedded bool     // filled by go:embed
}

func packageVariables(f *ast.File) []variable {
	var all []variable
	for _, d := range f.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, s := range gen.Specs {
			spec := s.(*ast.ValueSpec)
			for i, name := range spec.Names {
				v := variable{name: name, embedded: embeds(gen.Doc) || embeds(spec.Doc)}
				if i < len(spec.Values) {
					v.value = spec.Values[i]
				}
				all = append(all, v)
			}
		}
	}
	return all
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed") })
}

// mutable reports whether a variable may change. It is a heuristic: sentinels, compiled
// patterns, templates, embedded files, and lookup tables that nothing assigns to are treated
// as constants.
func mutable(v variable, written map[string]bool) string {
	switch {
	case v.name.Name == "_" || v.embedded:
		return ""
	case written[v.name.Name]:
		return "is written to"
	case v.value == nil:
		return "has no value: state belongs to a value with an owner"
	}
	if call, ok := v.value.(*ast.CallExpr); ok && !constantCall(call) {
		return fmt.Sprintf("is made by %s at start-up", callee(call))
	}
	if _, ok := v.value.(*ast.FuncLit); ok {
		return "is a function that could be replaced"
	}
	return ""
}

func constantCall(call *ast.CallExpr) bool {
	if _, conversion := call.Fun.(*ast.ArrayType); conversion {
		return true
	}
	name := callee(call)
	return slices.Contains([]string{"errors.New", "fmt.Errorf", "big.NewInt", "template.New"}, name) ||
		strings.HasPrefix(name[strings.LastIndex(name, ".")+1:], "Must")
}

func callee(call *ast.CallExpr) string {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		if x, ok := fun.X.(*ast.Ident); ok {
			return x.Name + "." + fun.Sel.Name
		}
		return fun.Sel.Name
	}
	return "an expression"
}

// assigned gathers the names that functions assign to, count up, delete from
// or take the address of, unless the function declares a name like it.
func assigned(files []*ast.File) map[string]bool {
	written := map[string]bool{}
	for _, f := range files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				for name := range writes(fn) {
					written[name] = true
				}
			}
		}
	}
	return written
}

func writes(fn *ast.FuncDecl) map[string]bool {
	found := map[string]bool{}
	ast.Inspect(fn, func(n ast.Node) bool {
		for _, e := range targets(n) {
			found[base(e)] = true
		}
		return true
	})
	ast.Inspect(fn, func(n ast.Node) bool {
		for _, name := range declares(n) {
			delete(found, name)
		}
		return true
	})
	return found
}

// targets returns the expressions that the node writes to or takes the address of.
func targets(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	}
	return nil
}

// declares returns the local names that the node declares.
func declares(n ast.Node) []string {
	var names []string
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE {
			for _, e := range n.Lhs {
				names = append(names, base(e))
			}
		}
	case *ast.RangeStmt:
		names = append(names, base(n.Key), base(n.Value))
	case *ast.Field:
		for _, id := range n.Names {
			names = append(names, id.Name)
		}
	case *ast.ValueSpec:
		for _, id := range n.Names {
			names = append(names, id.Name)
		}
	}
	return names
}

// base returns the name at the beginning of an assignable expression.
func base(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x.Name
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return ""
		}
	}
}
