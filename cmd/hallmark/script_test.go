// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hallmark": func() {
		os.Exit(run(cli.Environment{
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
			Getenv: os.Getenv, Args: os.Args, CheapUnsafe: true,
		}))
	}})
}

// TestScripts runs the product as its users do; testdata/script has the scripts.
func TestScripts(t *testing.T) {
	if testkit.Race {
		t.Skip("run without the race detector")
	}
	base, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("HALLMARK_HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("HALLMARK_PASSPHRASE", "")
			for _, name := range []string{"pass", "wrong", "short", "empty"} { // of passphrases
				if err := os.Chmod(filepath.Join(e.WorkDir, name), 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"freeaddress": freeAddressCommand,
			"waitfor":     waitForCommand,
			"flip":        flipCommand,
			"exits":       exitsCommand,
			"expand":      expandCommand,
			"unpack":      unpackCommand(base),
			"forward":     forwardCommand,
			"lines":       linesCommand,
			"age":         ageCommand,
			"registry":    registryCommand,
			"answer":      answerCommand,
			"documented":  documentedCommand,
			"stopped":     stoppedCommand,
			"sbom":        sbomCommand,
			"witness":     witnessScriptCommand,
			"witnesslog":  witnessLogCommand,
			"witnesses":   witnessesCommand,
			"waitwitness": waitWitnessCommand,
			"waitsize":    waitSizeCommand,
			"nextlog":     nextLogCommand,
			"answers":     answersCommand,
			"tmpfs":       tmpfsCommand,
			"fill":        fillCommand,
			"fetch":       fetchCommand,
			"waitstatus":  waitStatusCommand,
			"jsonlines":   jsonLinesCommand,
			"conforms":    conformsCommand,
			"complains":   complainsCommand,
			"certificate": certificateCommand,
			"waitline":    waitLineCommand,
		},
		Condition:           condition,
		RequireExplicitExec: true, RequireUniqueNames: true,
	})
}

// jsonLinesCommand: jsonlines FIRST LAST checks that stderr is lines of JSON, and the
// messages of the first and the last.
func jsonLinesCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: jsonlines FIRST LAST")
	}
	var messages []string
	for text := range strings.Lines(ts.ReadFile("stderr")) {
		var line struct {
			Message string `json:"msg"`
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			ts.Fatalf("%s: %v", text, err)
		}
		messages = append(messages, line.Message)
	}
	if len(messages) < 2 || messages[0] != args[0] || messages[len(messages)-1] != args[1] {
		ts.Fatalf("lines of %q", messages)
	}
}

// freeAddressCommand: freeaddress VAR sets VAR to an address to listen on. Its port is
// below those that the system gives to outgoing connections, which would take it.
func freeAddressCommand(ts *testscript.TestScript, _ bool, args []string) {
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err != nil {
			continue
		}
		ts.Setenv(args[0], l.Addr().String())
		ts.Check(l.Close())
		return
	}
	ts.Fatalf("no port is free")
}

// nextLogCommand: nextlog sets NEXT to the URL of $ADDR under another name.
func nextLogCommand(ts *testscript.TestScript, _ bool, _ []string) {
	_, port, err := net.SplitHostPort(ts.Getenv("ADDR"))
	ts.Check(err)
	ts.Setenv("NEXT", "http://localhost:"+port)
}

// waitForCommand: waitfor URL waits until URL answers with 200.
func waitForCommand(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(args[0])
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("%s does not answer", args[0])
}

// answersCommand: answers STATUS URL asks once.
func answersCommand(ts *testscript.TestScript, _ bool, args []string) {
	resp, err := http.Get(args[1])
	ts.Check(err)
	resp.Body.Close()
	if got := strconv.Itoa(resp.StatusCode); got != args[0] {
		ts.Fatalf("%s answers %s, want %s", args[1], got, args[0])
	}
}

// flipCommand: flip FILE changes a bit in the middle of FILE.
func flipCommand(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	content, err := os.ReadFile(path)
	ts.Check(err)
	content[len(content)/2] ^= 1
	ts.Check(os.WriteFile(path, content, 0o600))
}

// expandCommand: expand FILE replaces $ADDR and $REPO in FILE.
func expandCommand(ts *testscript.TestScript, _ bool, args []string) {
	content := strings.NewReplacer("$ADDR", ts.Getenv("ADDR"), "$REPO", ts.Getenv("REPO")).Replace(ts.ReadFile(args[0]))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(content), 0o600))
}

// linesCommand: lines OUT FILE... writes each FILE as a line of OUT.
func linesCommand(ts *testscript.TestScript, _ bool, args []string) {
	var out strings.Builder
	for _, file := range args[1:] {
		out.WriteString(strings.TrimSpace(ts.ReadFile(file)) + "\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(out.String()), 0o600))
}

// ageCommand: age DIR DURATION makes every file below DIR so old.
func ageCommand(ts *testscript.TestScript, _ bool, args []string) {
	age, err := time.ParseDuration(args[1])
	ts.Check(err)
	then := time.Now().Add(-age)
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, then, then)
	}))
}

// sbomCommand: sbom FILE MIB writes a list of packages; sbom FILE nested, arrays in
// arrays.
func sbomCommand(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[1])
	var content strings.Builder
	if err != nil {
		const depth = 50 << 20
		content.WriteString(`{"a":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}")
	} else {
		const one = `{"name":"a package","versionInfo":"1.2.3","downloadLocation":"https://example.com/download","filesAnalyzed":false}`
		content.WriteString(`{"spdxVersion":"SPDX-2.3","packages":[` + one)
		for content.Len() < size<<20-2*len(one) {
			content.WriteString("," + one)
		}
		content.WriteString("]}")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(content.String()), 0o600))
}

// exitsCommand: exits STATUS PROGRAM ARG... runs a program that must end so.
func exitsCommand(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	status := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("exit status %d, want %s", status, args[0])
	}
}

// condition: nightly is true where tests run in their long form, nonetwork where unshare(1) can take the network away, which
// CI must.
func condition(name string) (bool, error) {
	switch name {
	case "nightly":
		return testkit.Nightly(), nil
	case "tmpfs":
		return canMount(), nil
	case "nonetwork":
	default:
		return false, fmt.Errorf("unknown condition %s", name)
	}
	err := exec.Command("unshare", "-rn", "true").Run()
	if err != nil && os.Getenv("CI") != "" {
		return false, fmt.Errorf("testing verify without a network: unshare: %w", err)
	}
	return err == nil, nil
}
