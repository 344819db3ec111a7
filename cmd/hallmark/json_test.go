// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
)

// conformsCommand: conforms NAME holds each line of stdout to NAME in
// docs/reference/results.schema.json. There is at least one.
func conformsCommand(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(conform(filepath.Join(docs, "reference", "results.schema.json")+"#/$defs/"+args[0], ts.ReadFile("stdout")))
}

// complainsCommand: complains CODE holds each line of stderr to docs/reference/error.schema.json;
// one is an error with this code.
func complainsCommand(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile("stderr")
	ts.Check(conform(filepath.Join(docs, "reference", "error.schema.json"), text))
	if !strings.Contains(text, `{"code":"`+args[0]+`",`) {
		ts.Fatalf("no %s in %s", args[0], text)
	}
}

// conform holds lines to a schema.
func conform(schema, lines string) error {
	s, err := compile(schema)
	if err != nil {
		return err
	}
	for text := range strings.Lines(lines + "\n") {
		if strings.TrimSpace(text) == "" && lines != "" {
			continue
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		if err := s.Validate(value); err != nil {
			return err
		}
	}
	return nil
}

// compile reads a schema of docs/; what others refer to comes from there too.
func compile(schema string) (*jsonschema.Schema, error) {
	f, err := os.Open(filepath.Join(docs, "reference", "verdict.schema.json"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	verdicts, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("https://hallmark-sign.github.io/verdict.schema.json", verdicts); err != nil {
		return nil, err
	}
	return c.Compile(schema)
}

// TestEveryVerbHasASchema checks that the output of each verb with --json is described in
// docs/reference/results.schema.json.
func TestEveryVerbHasASchema(t *testing.T) {
	without := map[string]bool{ // what they print is not theirs to shape, or a log
		"serve": true, "witness-serve": true, "sign-bundle": true, "verify-bundle": true,
	}
	var walk func(cmd *cobra.Command, path string)
	walk = func(cmd *cobra.Command, path string) {
		for _, sub := range cmd.Commands() {
			if sub.Name() == "completion" || sub.Name() == "help" {
				continue
			}
			walk(sub, strings.TrimPrefix(path+"-"+sub.Name(), "-"))
		}
		if cmd.HasSubCommands() && path != "bench" || without[path] {
			return
		}
		if _, err := compile(filepath.Join(docs, "reference", "results.schema.json") + "#/$defs/" + path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if cmd.Flags().Lookup("json") != cmd.Root().PersistentFlags().Lookup("json") && cmd.LocalNonPersistentFlags().Lookup("json") != nil {
			t.Errorf("%s has a --json of its own", path)
		}
	}
	walk(newRoot(cli.Environment{Getenv: func(string) string { return "" }}), "")
}
