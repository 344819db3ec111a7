// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
)

// TestOneWay checks that the signer and the trusted root must each be given completely, in
// exactly one way.
func TestOneWay(t *testing.T) {
	for _, who := range []string{
		"", "--identity a", "--issuer b", "--policy p --identity a", "--policy p --issuer b", "--key k --issuer b", "--key k --policy p",
		"--policy p --identity a --issuer b", "--key k --instance i",
	} {
		if _, _, err := parse(append(strings.Fields("--trusted-root r "+who), "file")); err == nil {
			t.Errorf("%q is accepted", who)
		}
	}
	for _, who := range []string{"--identity a --issuer b", "--policy p", "--key k"} {
		if _, _, err := parse(append(strings.Fields("--trusted-root r "+who), "file")); err != nil {
			t.Errorf("%q: %v", who, err)
		}
	}
}

// unset implements an environment without variables.
func unset(string) string { return "" }

// TestOddNames checks that a name that is not UTF-8 does not keep other files from being
// judged.
func TestOddNames(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	for _, name := range []string{"odd\xff", "plain"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Skip("no such names here: ", err)
		}
	}
	var out strings.Builder
	err := execute(context.Background(), []string{"--trusted-root", i.TrustedRootFile, "--identity", "a", "--issuer", "b", "--json", dir}, unset, nil, &out)
	if w := new(fault.Worst); !errors.As(err, &w) || w.Status != fault.ExitRefused || w.Code != "unsigned" {
		t.Error(err)
	}
	for line := range strings.Lines(out.String()) {
		if !json.Valid([]byte(line)) {
			t.Error(line)
		}
	}
	if n := strings.Count(out.String(), `"verdict":"refused"`); n != 2 {
		t.Errorf("%d verdicts:\n%s", n, out.String())
	}
}

// TestLogPolicy checks that an unreadable log policy is an error.
func TestLogPolicy(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	policy, file := filepath.Join(dir, "log_policy"), filepath.Join(dir, "file")
	for path, text := range map[string]string{policy: "quorum of friends\n", file: ""} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, given := range []string{policy, filepath.Join(dir, "missing")} {
		var out strings.Builder
		err := execute(context.Background(), []string{"--trusted-root", i.TrustedRootFile, "--identity", "a", "--issuer", "b", "--log-policy", given, file}, unset, nil, &out)
		if p := new(fault.Problem); !errors.As(err, &p) || p.Exit != fault.ExitUsage || p.Subject != given {
			t.Errorf("%s: %v", given, err)
		}
	}
}

// TestFacts checks that a log policy next to the trusted root applies. Without one, or if it is
// unknown when the root was fetched, each verdict must list the facts that were not checked.
func TestFacts(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	raw, err := os.ReadFile(i.TrustedRootFile)
	if err != nil {
		t.Fatal(err)
	}
	root, file, aged := filepath.Join(dir, "trusted_root.json"), filepath.Join(dir, "file"), filepath.Join(dir, "policy.yaml")
	const policy = "version: 1\nsigners:\n  a: {email: a, issuer: b}\nrequire:\n  - {signedBy: [a]}\ntrustRoot: {maxAge: 24h}\n"
	for path, text := range map[string]string{root: string(raw), file: "", aged: policy, file + find.Suffix: "{}"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	err = execute(context.Background(), []string{"--trusted-root", root, "--identity", "a", "--issuer", "b", "--json", file}, unset, nil, &out)
	if w := new(fault.Worst); !errors.As(err, &w) || !strings.Contains(out.String(), `"notAsked":["witnesses","root-age"]`) {
		t.Errorf("%v: %s", err, out.String())
	}
	err = execute(context.Background(), []string{"--trusted-root", root, "--policy", aged, file}, unset, nil, &out)
	if w := new(fault.Worst); !errors.As(err, &w) || w.Status != fault.ExitUndecided || w.Code != "fact-missing" {
		t.Error(err)
	}
	beside := filepath.Join(dir, "log_policy")
	if err := os.WriteFile(beside, []byte("quorum of friends\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err = execute(context.Background(), []string{"--trusted-root", root, "--identity", "a", "--issuer", "b", file}, unset, nil, &out)
	if p := new(fault.Problem); !errors.As(err, &p) || p.Subject != beside {
		t.Error(err)
	}
}

// TestInstance checks that without --trusted-root, a pinned instance is used as by hallmark. It
// is then known when it was fetched, and that it has no log policy.
func TestInstance(t *testing.T) {
	i, home, dir := hallmarktest.New(t), t.TempDir(), t.TempDir()
	raw, err := os.ReadFile(i.TrustedRootFile)
	if err != nil {
		t.Fatal(err)
	}
	pinned, file := filepath.Join(home, "instances", "work"), filepath.Join(dir, "file")
	if err := os.MkdirAll(pinned, 0o755); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(pinned, "trusted_root.json")
	for path, data := range map[string][]byte{root: raw, file: []byte("artifact")} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	signed, err := i.Sign(t, "alice@example.com", strings.NewReader("artifact")).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	aged := filepath.Join(dir, "policy.yaml")
	policy := "version: 1\nsigners:\n  a: {email: alice@example.com, issuer: " + i.URL + "}\nrequire:\n  - {signedBy: [a]}\ntrustRoot: {maxAge: 24h}\n"
	for path, data := range map[string][]byte{file + find.Suffix: signed, aged: []byte(policy)} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(getenv func(string) string, more ...string) (string, error) {
		var out strings.Builder
		err := execute(t.Context(), append([]string{"--policy", aged, "--json", file}, more...), getenv, nil, &out)
		return out.String(), err
	}
	env := map[string]string{"HALLMARK_HOME": home}
	getenv := func(name string) string { return env[name] }
	for _, args := range [][]string{nil, {"--instance", "other"}} {
		if _, err := run(getenv, args...); fault.Of(err).Code != "no-instance" || fault.Of(err).Exit != fault.ExitUndecided {
			t.Errorf("%q: %v", args, err)
		}
	}
	if out, err := run(getenv, "--instance", "work"); err != nil || !strings.Contains(out, `"verdict":"verified"`) || strings.Contains(out, "notAsked") {
		t.Errorf("%v: %s", err, out)
	}
	env["HALLMARK_INSTANCE"] = "work"
	old := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(root, old, old); err != nil {
		t.Fatal(err)
	}
	if out, err := run(getenv); err == nil || !strings.Contains(out, `"code":"trust-stale"`) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestVersion(t *testing.T) {
	for args, want := range map[string]string{"--version": "hallmark-verify ", "--version --json": `{"version":"`} {
		var out strings.Builder
		if err := execute(t.Context(), strings.Fields(args), unset, nil, &out); err != nil || !strings.HasPrefix(out.String(), want) || !strings.HasSuffix(out.String(), "\n") {
			t.Errorf("%s: %q, %v", args, out.String(), err)
		}
	}
}
