// SPDX-License-Identifier: Apache-2.0

package hallmark_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

const (
	module = "github.com/hallmark-sign/hallmark"

	// maxDirect bounds the modules that hallmark's own code imports (ARCHITECTURE.md).
	maxDirect = 25

	// maxCommand bounds the packages of this module that cmd/hallmark imports: each verb
	// binds flags, makes one call and prints.
	maxCommand = 20

	// maxVerifying bounds the modules that verifying depends on.
	maxVerifying = 4
)

// A level is a layer of the architecture. A package only imports packages of lower levels,
// with the exceptions in mayImport.
type level int

const (
	formats     level = iota // L0 wire/*, identity
	documents                // L1 bundle, trust, revocation
	verbs                    // L2 verify, sign
	policies                 // L3 policy: whose bundles are accepted
	asking                   // L3 client/retry, client/idtoken: what client, client/login and oci have in common
	waysOut                  // L3 client, trust/tuf, oci, policy/cel
	carriers                 // L3 client/logread, oci/layout, oci/transfer: import client or oci
	storage                  // L4 durable, admission: files that survive a crash, limits of untrusted clients
	lookup                   // L4 tilelog/dedup: imported only by tilelog/posix
	foundation               // L4 tilelog, keys: imported by services
	logStorage               // L4 tilelog/posix: storage of logs, selected by services
	problems                 // L4 internal/fault: errors as users see them
	subjects                 // L4 internal/find: artifacts of arguments, and their bundles
	judging                  // L4 internal/judge
	reporting                // L4 internal/report
	service                  // L4 every other internal package
	settings                 // L5 internal/config
	making                   // L5 internal/instance: creates and opens instances for server
	server                   // L5 internal/server
	testServer               // L5 hallmarktest
	finding                  // L5 internal/lookup: shared by the application
	application              // L5 called by the verbs of the command
	acts                     // L5 verbs without their flags, on application
	reading                  // L5 verbs without their flags, on acts
	showing                  // L5 internal/trial, on reading
	command                  // L6 cmd/hallmark
	unknown
)

var rooms = map[string]level{
	"identity": formats,
	"bundle":   documents, "trust": documents, "revocation": documents,
	"verify": verbs, "sign": verbs,
	"policy": policies, "policy/cel": waysOut, "client/retry": asking, "client/idtoken": asking,
	"client": waysOut, "client/login": waysOut, "trust/tuf": waysOut, "trust/store": waysOut, "oci": waysOut,
	"client/logread": carriers, "oci/layout": carriers, "oci/transfer": carriers,
	"internal/durable": storage, "internal/admission": storage, "internal/publickey": storage, "internal/webpage": storage, "internal/tilelog/dedup": lookup, "internal/tilelog": foundation, "internal/refusal": foundation, "internal/claims": foundation, "internal/control": storage, "internal/tilelog/posix": logStorage, "internal/keys": foundation,
	"internal/config": settings, "internal/server": server, "internal/instance": making,
	"hallmarktest":   testServer,
	"internal/fault": problems, "internal/find": subjects, "internal/judge": judging, "internal/report": reporting,
	"internal/lookup": finding, "internal/ownlog": application, "internal/cli": application,
	"internal/describe": acts, "internal/images": acts, "internal/operate": acts, "internal/trusting": acts,
	"internal/readlog": reading, "internal/signing": reading, "internal/verifying": reading, "internal/trial": showing,
	"bench": carriers,
}

// libraries lists the modules that formats may import.
var libraries = []string{"golang.org/x/crypto", "golang.org/x/mod/sumdb", "github.com/go-json-experiment/json"}

// impure lists packages of the standard library that the pure levels must not import:
// network, files, processes, logs and databases. A prefix ends in a slash.
var impure = []string{
	"net", "net/http", "net/http/", "net/rpc", "net/smtp", "os", "os/", "io/ioutil", "syscall",
	"log", "log/", "database/sql", "database/sql/", "testing", "plugin",
}

// clock lists the functions of package time that read or wait for the clock.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

var vagueNames = []string{"pkg", "util", "utils", "common", "helpers", "types", "models", "core"}

// A unit is a package of this module, as described by go list.
type unit struct {
	ImportPath     string
	Name           string
	Dir            string
	GoFiles        []string
	IgnoredGoFiles []string // files of other systems: the rules hold there too
	TestGoFiles    []string
	XTestGoFiles   []string

	room string // path below the module, "" for the root
}

func (u unit) level() level {
	switch {
	case strings.HasPrefix(u.room, "wire/"):
		return formats
	case strings.HasPrefix(u.room, "cmd/"):
		return command
	}
	if l, ok := rooms[u.room]; ok {
		return l
	}
	if strings.HasPrefix(u.room, "internal/") {
		return service
	}
	return unknown
}

// units lists the module's packages without bench, which measures, and deploy,
// which releases.
func units(t *testing.T) []unit {
	t.Helper()
	list := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Dir,GoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles", "./...")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	var all []unit
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var u unit
		if err := d.Decode(&u); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatalf("reading go list: %v", err)
		}
		u.room = strings.TrimPrefix(strings.TrimPrefix(u.ImportPath, module), "/")
		if u.room != "" && !strings.HasPrefix(u.room, "bench") && !strings.HasPrefix(u.room, "deploy") {
			all = append(all, u)
		}
	}
}

// source parses the package's files, without those of its tests.
func (u unit) source(t *testing.T) (*token.FileSet, []*ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range slices.Concat(u.GoFiles, u.IgnoredGoFiles) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, filepath.Join(u.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parsing: %v", err)
		}
		files = append(files, f)
	}
	return fset, files
}

func imports(files []*ast.File) []string {
	var all []string
	for _, f := range files {
		for _, spec := range f.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// matches reports whether an entry equals the path, or ends in a slash and is a prefix of it.
func matches(list []string, name string) bool {
	return slices.ContainsFunc(list, func(e string) bool {
		return name == e || strings.HasSuffix(e, "/") && strings.HasPrefix(name, e)
	})
}

func within(list []string, name string) bool {
	return slices.ContainsFunc(list, func(e string) bool { return name == e || strings.HasPrefix(name, e+"/") })
}

// mayImport implements "Who may import whom" of ARCHITECTURE.md.
func mayImport(from, to unit) bool {
	if to.room == "wire/sigalg" || to.room == "wire/protojson" {
		return true
	}
	if to.room == "internal/testkit" {
		return false // tests alone
	}
	f, t := from.level(), to.level()
	switch f {
	case formats:
		return from.room == "wire/rekor" && (to.room == "wire/dsse" || to.room == "wire/tile")
	case documents, verbs, policies, asking, waysOut, carriers:
		return t < f
	case lookup:
		return t == storage
	case foundation:
		return t < f && t != lookup
	case logStorage:
		return t < f
	case problems, subjects, judging, reporting: // which hallmark-verify contains
		return t <= policies || t >= problems && t < f
	case service, settings:
		return t <= logStorage && t != lookup
	case making, server:
		return t < f
	case testServer:
		return t <= waysOut || t == server || t == making || t == settings || to.room == "internal/witness" || to.room == "internal/listener"
	}
	return f == command || f >= finding && t < f && t != testServer
}

func TestImportsGoDownwards(t *testing.T) {
	for _, u := range units(t) {
		if u.level() == unknown {
			t.Errorf("%s has no floor: name it in rooms here and in ARCHITECTURE.md", u.room)
			continue
		}
		_, files := u.source(t)
		for _, name := range imports(files) {
			rest, ours := strings.CutPrefix(name, module+"/")
			if ours && !mayImport(u, unit{room: rest}) {
				t.Errorf("%s may not import %s", u.room, rest)
			}
		}
	}
}

func TestFormatsAndVerbsArePure(t *testing.T) {
	for _, u := range units(t) {
		if u.level() > policies {
			continue
		}
		fset, files := u.source(t)
		for _, name := range imports(files) {
			if matches(impure, name) {
				t.Errorf("%s imports %s: no network, files, logs or processes here", u.room, name)
			}
			if u.level() == formats && isModule(name) && !within(libraries, name) {
				t.Errorf("%s imports %s: formats stand on %v", u.room, name, libraries)
			}
		}
		for _, f := range files {
			for _, use := range clockUses(f) {
				t.Errorf("%s: reads the clock; take the time as an argument", fset.Position(use))
			}
		}
	}
}

// isModule reports whether an import path is outside the standard library and this module.
func isModule(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return strings.Contains(first, ".") && !strings.HasPrefix(name, module)
}

func clockUses(f *ast.File) []token.Pos {
	var found []token.Pos
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, sel.Sel.Name) {
			found = append(found, sel.Pos())
		}
		return true
	})
	return found
}

// TestCommandIsThin checks that cmd/hallmark leaves the work of its verbs to other packages.
func TestCommandIsThin(t *testing.T) {
	for _, u := range units(t) {
		if u.room != "cmd/hallmark" {
			continue
		}
		_, files := u.source(t)
		ours := slices.DeleteFunc(imports(files), func(name string) bool { return !strings.HasPrefix(name, module+"/") })
		if len(ours) > maxCommand {
			t.Errorf("%s imports %d packages of the house, at most %d: %v", u.room, len(ours), maxCommand, ours)
		}
	}
}

// TestVerifyingIsSmall checks that importing verification adds no server, no HTTP client and
// no cloud SDK.
func TestVerifyingIsSmall(t *testing.T) {
	for _, room := range []string{"verify", "sign"} {
		if _, err := os.Stat(room); err != nil {
			continue
		}
		out, err := exec.Command("go", "list", "-deps", "./"+room).Output()
		if err != nil {
			t.Fatalf("listing what %s needs: %v", room, err)
		}
		if n := len(modulesOf(t, room)); n > maxVerifying {
			t.Errorf("%s pulls in %d modules, at most %d", room, n, maxVerifying)
		}
		for name := range strings.Lines(string(out)) {
			name = strings.TrimSpace(name)
			if name == "net/http" || strings.HasPrefix(name, "google.golang.org/protobuf/") || strings.HasPrefix(name, module+"/internal/") || strings.HasPrefix(name, module+"/client") {
				t.Errorf("%s pulls in %s", room, name)
			}
		}
	}
}

// TestHallmarkVerifyAsksNobody checks that the small binary contains no HTTP client
// (docs/decisions/0006).
func TestHallmarkVerifyAsksNobody(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/hallmark-verify").Output()
	if err != nil {
		t.Fatalf("listing what hallmark-verify needs: %v", err)
	}
	for name := range strings.FieldsSeq(string(out)) {
		if name == "net/http" || name == "crypto/tls" || strings.HasPrefix(name, module+"/client") {
			t.Errorf("cmd/hallmark-verify pulls in %s", name)
		}
	}
}

// modulesOf returns the modules that a package depends on, including this one.
func modulesOf(t *testing.T, room string) map[string]bool {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./"+room).Output()
	if err != nil {
		t.Fatalf("listing the modules of %s: %v", room, err)
	}
	modules := map[string]bool{}
	for name := range strings.FieldsSeq(string(out)) {
		modules[name] = true
	}
	return modules
}

func TestNamesAndDocs(t *testing.T) {
	for _, u := range units(t) {
		for _, part := range append(strings.Split(u.room, "/"), u.Name) {
			if slices.Contains(vagueNames, part) {
				t.Errorf("%s: %q says nothing; name the package for its spec or role", u.room, part)
			}
		}
		if len(u.GoFiles) > 0 && !hasDoc(u) {
			t.Errorf("%s has no doc.go that opens with a package comment", u.room)
		}
	}
}

func hasDoc(u unit) bool {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(u.Dir, "doc.go"), nil, parser.ParseComments)
	if err != nil || f.Doc == nil {
		return false
	}
	text := f.Doc.Text()
	return strings.HasPrefix(text, "Package "+u.Name+" ") || u.Name == "main" && strings.HasPrefix(text, "Command "+path.Base(u.room)+" ")
}

// TestErrorsAreErrors checks that functions return errors, of which only the commands and
// reports make a problem: a nil *fault.Problem in an error is not nil.
func TestErrorsAreErrors(t *testing.T) {
	for _, u := range units(t) {
		if u.room == "internal/fault" || u.room == "internal/cli" || u.level() == command {
			continue
		}
		fset, files := u.source(t)
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				f, ok := n.(*ast.FuncType)
				if !ok || f.Results == nil {
					return true
				}
				for i, result := range f.Results.List {
					star, _ := result.Type.(*ast.StarExpr)
					if star == nil || u.room == "internal/judge" && i == 0 && len(f.Params.List) == 0 { // Verdict.Problem
						continue
					}
					if sel, ok := star.X.(*ast.SelectorExpr); ok && sel.Sel.Name == "Problem" {
						t.Errorf("%s returns a problem: return an error", fset.Position(n.Pos()))
					}
				}
				return true
			})
		}
	}
}

func TestDirectDependencies(t *testing.T) {
	data, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	direct := map[string]bool{}
	for _, u := range units(t) {
		_, files := u.source(t)
		for _, name := range imports(files) {
			for _, r := range mod.Require {
				if within([]string{r.Mod.Path}, name) {
					direct[r.Mod.Path] = true
				}
			}
		}
	}
	if len(direct) > maxDirect {
		t.Errorf("%d modules are imported, at most %d: %v", len(direct), maxDirect, direct)
	}
}
