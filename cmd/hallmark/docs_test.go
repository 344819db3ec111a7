// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/hallmark-sign/hallmark/internal/cli"
)

var update = flag.Bool("update", false, "write docs/reference/cli.md")

// top is the root of the repository; scripts run in directories of their own.
var top, _ = filepath.Abs("../..")

// docs is its folder of documents.
var docs = filepath.Join(top, "docs")

// A docLine is a command in a block of a page, on one line, and the anchor of its
// second-level section.
type docLine struct{ anchor, command string }

var runnable = regexp.MustCompile(`^(\$ )?((hallmark|tar|cp) .*)$`)

// commandsOf returns the commands of hallmark, tar and cp in the blocks of a page. Blocks
// marked text hold output.
func commandsOf(page string) ([]docLine, error) {
	raw, err := os.ReadFile(filepath.Join(top, page))
	if err != nil {
		return nil, err
	}
	var all []docLine
	anchor, open, runs := "", false, false
	for line := range strings.Lines(strings.ReplaceAll(string(raw), "\\\n", " ")) {
		line = strings.TrimSpace(line)
		mark, fence := strings.CutPrefix(line, "```")
		title, heading := strings.CutPrefix(line, "## ")
		command := runnable.FindStringSubmatch(line)
		switch {
		case fence:
			open, runs = !open, mark != "text"
		case heading && !open:
			anchor = "#" + regexp.MustCompile("[^a-z0-9 -]").ReplaceAllString(strings.ToLower(title), "")
			anchor = strings.ReplaceAll(anchor, " ", "-")
		case open && runs && command != nil:
			all = append(all, docLine{anchor, command[2]})
		}
	}
	return all, nil
}

// documentedCommand: documented PAGE[#SECTION] NAME=VALUE... runs the commands of a page, or of
// one of its sections, with values in place of names: those given here, then those of the
// file names. Servers run until the script ends, or "stopped" is called.
func documentedCommand(ts *testscript.TestScript, _ bool, args []string) {
	page, section, cut := strings.Cut(args[0], "#")
	lines, err := commandsOf(page)
	ts.Check(err)
	pairs := args[1:]
	if names, err := os.ReadFile(ts.MkAbs("names")); err == nil {
		pairs = append(pairs, strings.Split(strings.TrimSpace(os.Expand(string(names), ts.Getenv)), "\n")...)
	}
	var names []string
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		names = append(names, name, value)
	}
	values, ran := strings.NewReplacer(names...), 0
	for _, line := range lines {
		if cut && line.anchor != "#"+section {
			continue
		}
		command := values.Replace(line.command)
		ts.Logf("%s", command)
		if regexp.MustCompile(`^hallmark (witness )?serve `).MatchString(command) {
			serveInBackground(ts, command)
		} else if err := ts.Exec("sh", "-c", command); err != nil {
			ts.Fatalf("%s: %s: %v", args[0], command, err)
		}
		ran++
	}
	if ran == 0 {
		ts.Fatalf("%s has no command", args[0])
	}
}

// serveInBackground starts a server and waits until it accepts connections.
func serveInBackground(ts *testscript.TestScript, command string) {
	stoppedCommand(ts, false, nil)
	ts.Check(ts.Exec("sh", "-c", command+" >served.log 2>&1 & echo $! >served"))
	ts.Defer(func() { stoppedCommand(ts, false, nil) })
	waitLineCommand(ts, false, []string{"served.log", `"msg":"serving"`})
}

// stoppedCommand: stopped ends the server that documented has started, if there is one.
func stoppedCommand(ts *testscript.TestScript, _ bool, _ []string) {
	if _, err := os.Stat(ts.MkAbs("served")); err != nil {
		return
	}
	ts.Check(ts.Exec("sh", "-c", "kill -INT $(cat served) && rm served"))
	waitLineCommand(ts, false, []string{"served.log", `"msg":"ended"`})
}

// TestDocumented checks that a script runs every command of hallmark in the README and in docs/.
func TestDocumented(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]bool{}
	for _, script := range scripts {
		raw, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range regexp.MustCompile(`(?m)^documented '?([^\s']+)`).FindAllStringSubmatch(string(raw), -1) {
			ran[line[1]] = true
		}
	}
	for _, page := range pages(t) {
		lines, err := commandsOf(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if !ran[page] && !ran[page+line.anchor] {
				t.Errorf("%s%s: no script runs %q", page, line.anchor, line.command)
			}
		}
	}
}

func pages(t *testing.T) []string {
	t.Helper()
	all := []string{"README.md"}
	err := fs.WalkDir(os.DirFS(top), "docs", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCommandReference checks that docs/reference/cli.md is what the commands' help says;
// with -update it writes the page.
func TestCommandReference(t *testing.T) {
	var out strings.Builder
	out.WriteString("# Commands\n\nThis page is made from the help of each command: `go test ./cmd/hallmark -run TestCommandReference -update`.\n")
	root := newRoot(cli.Environment{Getenv: func(string) string { return "" }})
	writeHelp(&out, root)
	page := filepath.Join(docs, "reference", "cli.md")
	if *update {
		if err := os.WriteFile(page, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(page); err != nil || string(got) != out.String() {
		t.Errorf("docs/reference/cli.md is not current: run this test with -update (%v)", err)
	}
}

// writeHelp writes the help of a command and of those below it.
func writeHelp(out *strings.Builder, cmd *cobra.Command) {
	if cmd.Name() == "completion" || cmd.Name() == "help" {
		return
	}
	cmd.InitDefaultHelpFlag()
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintf(out, "\n## %s\n\n```text\n%s\n\n%s```\n", cmd.CommandPath(), text, cmd.UsageString())
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			writeHelp(out, sub)
		}
	}
}

// TestExamples checks that the commands in the examples of the help exist, with their flags.
func TestExamples(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for line := range strings.Lines(strings.ReplaceAll(cmd.Example, "\\\n", " ")) {
			line, _, _ = strings.Cut(line, " #")
			line, _, _ = strings.Cut(line, " >")
			line, _, _ = strings.Cut(line, " &&")
			words := strings.Fields(line)
			if len(words) == 0 || words[0] != "hallmark" {
				continue
			}
			if err := understood(words[1:]); err != nil {
				t.Errorf("%s: %s: %v", cmd.CommandPath(), line, err)
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(cli.Environment{Getenv: func(string) string { return "" }}))
}

// understood reports whether words are a verb with flags that it has.
func understood(words []string) error {
	found, rest, err := newRoot(cli.Environment{Getenv: func(string) string { return "" }}).Find(words)
	if err != nil || slices.Contains(words, "|") {
		return err
	}
	return found.ParseFlags(rest)
}

// TestDeployment checks that the commands in the files of deploy/ exist, with their flags.
func TestDeployment(t *testing.T) {
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(top, "deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	unit := read("systemd/hallmark.service")
	_, start, _ := strings.Cut(unit, "ExecStart=/usr/local/bin/hallmark ")
	start, _, _ = strings.Cut(start, "\n")
	var pod struct {
		Spec struct {
			Template struct {
				Spec struct{ Containers []struct{ Args []string } }
			}
		}
	}
	for document := range strings.SplitSeq(read("kubernetes/hallmark.yaml"), "\n---\n") {
		if strings.Contains(document, "kind: Deployment") {
			if err := yaml.Unmarshal([]byte(document), &pod); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, run, _ := strings.Cut(read("container/Containerfile"), ":ro hallmark \\\n#")
	run, _, _ = strings.Cut(run, "\n")
	for name, words := range map[string][]string{
		"systemd": strings.Fields(start), "container": strings.Fields(run), "kubernetes": pod.Spec.Template.Spec.Containers[0].Args,
	} {
		if len(words) < 3 || words[0] != "serve" {
			t.Errorf("%s: %q does not serve an instance", name, words)
		}
		if err := understood(words); err != nil {
			t.Errorf("%s: %q: %v", name, words, err)
		}
	}
}
