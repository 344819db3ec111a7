// SPDX-License-Identifier: Apache-2.0

package operate

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
)

const address = "http://127.0.0.1:7500"

// configured returns the file of an instance that no server serves.
func configured(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hallmark.yaml")
	if err := os.WriteFile(file, []byte("url: "+address+"\nlisten: 127.0.0.1:7500\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	return file
}

func add(t *testing.T, file, url string) error {
	t.Helper()
	env := cli.Environment{Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer)}
	return Issuers{Config: file}.Add(t.Context(), env, NewIssuer{Type: "email", URL: url})
}

// TestEditsAtOnce checks that of issuers added at once, none is lost.
func TestEditsAtOnce(t *testing.T) {
	file := configured(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := add(t, file, fmt.Sprintf("https://login%d.example.com", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	c, err := config.Load(file)
	if err != nil || len(c.Issuers) != 20 {
		t.Fatalf("%d issuers, %v", len(c.Issuers), err)
	}
}

// TestLoginAsIssuer checks that the built-in login can't be configured as an issuer too,
// with which the server would not start.
func TestLoginAsIssuer(t *testing.T) {
	file := configured(t)
	before, _ := os.ReadFile(file)
	if err := add(t, file, address); err == nil || !strings.Contains(err.Error(), "login") {
		t.Errorf("got %v", err)
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v, the file has\n%s", err, after)
	}
}

// TestEditKeepsLink checks that a link to the file stays, with the mode and the owner of
// what it leads to.
func TestEditKeepsLink(t *testing.T) {
	file := configured(t)
	root := os.Getuid() == 0
	if root {
		if err := os.Chown(file, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "hallmark.yaml")
	if err := os.Symlink(file, link); err != nil {
		t.Skip(err)
	}
	if err := add(t, link, "https://login.example.com"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	c, err := config.Load(file)
	if err != nil || len(c.Issuers) != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	after, err := os.Stat(file)
	if err != nil || after.Mode() != before.Mode() || ownerOf(after) != ownerOf(before) {
		t.Errorf("%v, %s %s", err, after.Mode(), ownerOf(after))
	}
}

// ownerOf returns the owner in the form that this system has.
func ownerOf(info os.FileInfo) string {
	text := fmt.Sprintf("%+v", info.Sys())
	_, uid, _ := strings.Cut(text, "Uid:")
	return strings.Join(strings.Fields(uid)[:min(2, len(strings.Fields(uid)))], " ")
}

// TestLongPath checks that an instance is edited whose path is longer than the address of
// a socket can be.
func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "hallmark.yaml")
	if err := os.Rename(configured(t), file); err != nil {
		t.Fatal(err)
	}
	if err := add(t, file, "https://login.example.com"); err != nil {
		t.Error(err)
	}
}

// TestRulesOfOneClaim checks that a rule which names a claim twice is refused, since all
// of its parts must match, and the file would say that any may.
func TestRulesOfOneClaim(t *testing.T) {
	if rules, err := parseRules([]string{"groups=release,groups=admins"}); err == nil {
		t.Errorf("got %v", rules)
	}
}
