package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// documentedCommand: documented PAGE NAME=VALUE... runs the commands of hallmark and tar
// that stand in the blocks of a page of docs/, with values in place of names.
func documentedCommand(ts *testscript.TestScript, _ bool, args []string) {
	page, err := os.ReadFile(filepath.Join(docs, args[0]))
	ts.Check(err)
	var names []string
	for _, pair := range args[1:] {
		name, value, _ := strings.Cut(pair, "=")
		names = append(names, name, value)
	}
	values, ran := strings.NewReplacer(names...), 0
	for _, block := range regexp.MustCompile("(?s)\n```\n(.*?)\n```\n").FindAllStringSubmatch(string(page), -1) {
		for line := range strings.Lines(block[1]) {
			command := strings.TrimPrefix(strings.TrimSpace(line), "$ ")
			if strings.HasPrefix(command, "hallmark ") || strings.HasPrefix(command, "tar ") {
				ts.Logf("%s", values.Replace(command))
				ts.Check(ts.Exec("sh", "-c", values.Replace(command)))
				ran++
			}
		}
	}
	if ran == 0 {
		ts.Fatalf("no command stands in docs/%s", args[0])
	}
}

// docs holds the path of the docs folder, as scripts run in directories of their own.
var docs, _ = filepath.Abs("../../docs")
