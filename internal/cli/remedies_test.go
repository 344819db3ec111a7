// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/fault"
)

// TestRemedy shows that a remedy can be pasted, whatever a file is called.
func TestRemedy(t *testing.T) {
	env := Environment{Args: []string{"/usr/bin/hallmark"}}
	for _, c := range []struct {
		problem fault.Problem
		want    string
	}{
		{fault.Problem{Code: "log-lost", Subject: "two words"}, "mount it; or hallmark log restore BACKUP 'two words'"},
		{fault.Problem{Code: "identity-mismatch", Remedy: "inspect", Names: []string{"$subject'"}}, `hallmark inspect '$subject'\'''`},
		{fault.Problem{Code: "trust-stale", Remedy: "inspect", Names: []string{"file"}}, "hallmark trust add URL"},
		{fault.Problem{Code: "could-not-look", Remedy: "registry-credentials"}, "mend what is kept in $DOCKER_CONFIG/config.json, by default ~/.docker/config.json, or log in again"},
		{fault.Problem{Code: "artifact-missing", Names: []string{"a, b"}}, "the file, which a, b names; or each of the others with --bundle"},
		{fault.Problem{Code: "identity-mismatch", Remedy: "inspect"}, "hallmark inspect $1"},
		{fault.Problem{Code: "identity-mismatch"}, ""},
	} {
		if got := env.Remedy(&c.problem); got != c.want {
			t.Errorf("%+v: %s", c.problem, got)
		}
	}
}

// TestRemediesFit shows that each remedy that is asked for is in the table, and that each in
// the table is asked for.
func TestRemediesFit(t *testing.T) {
	asked, literals := map[string]bool{}, map[string]bool{}
	inspectSource(t, "../..", func(_ string, n ast.Node) {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Remedy" {
				asked[text(n.Value)] = true
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "With" && len(n.Args) > 0 {
				asked[text(n.Args[0])] = true
			}
		case *ast.BasicLit:
			literals[text(n)] = true
		}
	})
	delete(asked, "")
	for key := range remedies {
		code, remedy, _ := strings.Cut(key, "/")
		if code != "*" && !literals[code] && !strings.HasPrefix(code, "no-") {
			t.Errorf("%s: no such code", key)
		}
		if remedy != "" && !literals[remedy] {
			t.Errorf("%s: nothing asks for it", key)
		}
		delete(asked, remedy)
	}
	for remedy := range asked {
		t.Errorf("%s: not in the table", remedy)
	}
}

// TestErrorsNameNoCommand shows that no library tells its callers what to type at a shell.
func TestErrorsNameNoCommand(t *testing.T) {
	command := regexp.MustCompile(`\bhallmark (try|init|serve|user|token|trust|sign|attest|verify|inspect|tree|copy|save|load|clean|download|policy|log|witness|bench|version)\b`)
	inspectSource(t, "../..", func(file string, n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || strings.Contains(file, "/cmd/") || strings.Contains(file, "/cli/") {
			return
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || f.Sel.Name != "Errorf" && f.Sel.Name != "New" {
			return
		}
		for _, arg := range call.Args {
			if command.MatchString(text(arg)) {
				t.Errorf("%s: %s", file, text(arg))
			}
		}
	})
}

// inspectSource calls visit for each node of the Go files below dir, without tests and the
// tables of remedies.
func inspectSource(t *testing.T, dir string, visit func(file string, n ast.Node)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch name := filepath.ToSlash(path); {
		case err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "/remedies.go"):
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			visit(filepath.ToSlash(path), n)
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// text returns the value of a string literal, and "" for any other expression.
func text(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	value, _ := strconv.Unquote(lit.Value)
	return value
}
