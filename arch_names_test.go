// SPDX-License-Identifier: Apache-2.0

package hallmark_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// awaited lists exported names of internal packages that nothing uses yet.
var awaited = map[string]string{
	"internal/tilelog.ErrRange":   "of the read API of a log, for search and monitors",
	"internal/tilelog.ErrDiffers": "likewise",
}

// TestExportedNamesAreUsed refuses exported names of internal packages that no other package
// mentions, tests included. A type may also be mentioned by what its package exports.
func TestExportedNamesAreUsed(t *testing.T) {
	declared, mentioned := map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == ".git"):
			return fs.SkipDir
		case filepath.Ext(file) != ".go":
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		room := path.Dir(filepath.ToSlash(file))
		mentionOthers(f, room, mentioned)
		if strings.HasPrefix(room, "internal/") && !strings.HasSuffix(file, "_test.go") {
			declare(f, room, declared, mentioned)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if !mentioned[name] && awaited[name] == "" {
			t.Errorf("%s is exported, and no other package uses it", name)
		}
	}
	for name := range awaited {
		if !declared[name] || mentioned[name] {
			t.Errorf("%s is not awaited any more", name)
		}
	}
}

// mentionOthers adds the names of other packages that a file mentions.
func mentionOthers(f *ast.File, room string, mentioned map[string]bool) {
	rooms := map[string]string{}
	for _, spec := range f.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		to, ours := strings.CutPrefix(name, module+"/")
		if !ours || to == room {
			continue
		}
		local := path.Base(to)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		rooms[local] = to
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && rooms[x.Name] != "" {
				mentioned[rooms[x.Name]+"."+sel.Sel.Name] = true
			}
		}
		return true
	})
}

// declare adds the exported names that a file declares, and mentions the types in what it
// exports: in signatures, fields and interfaces.
func declare(f *ast.File, room string, declared, mentioned map[string]bool) {
	name := func(id *ast.Ident) {
		if id.IsExported() {
			declared[room+"."+id.Name] = true
		}
	}
	types := func(n ast.Node) { mentionTypes(n, room, mentioned) }
	for _, decl := range f.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok {
			if fn.Recv == nil {
				name(fn.Name)
			}
			if fn.Name.IsExported() {
				types(fn.Type)
			}
			continue
		}
		for _, spec := range decl.(*ast.GenDecl).Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				name(spec.Name)
				if spec.Name.IsExported() {
					types(spec.Type)
				}
			case *ast.ValueSpec:
				for _, id := range spec.Names {
					name(id)
				}
				if spec.Type != nil && spec.Names[0].IsExported() {
					types(spec.Type)
				}
			}
		}
	}
}

// mentionTypes adds the names in a type, but for those in fields that are not exported.
func mentionTypes(n ast.Node, room string, mentioned map[string]bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			for _, field := range n.Fields.List {
				if len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
					mentionTypes(field.Type, room, mentioned)
				}
			}
			return false
		case *ast.Ident:
			mentioned[room+"."+n.Name] = true
		}
		return true
	})
}
