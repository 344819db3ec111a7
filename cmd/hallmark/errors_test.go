package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/client/login"
	"github.com/hallmark-sign/hallmark/verify"
)

// TestErrorsAreDocumented: docs/reference/errors.md has every code that can be printed, and
// no other.
func TestErrorsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?`) \\|").FindAllStringSubmatch(string(doc), -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			documented[strings.Trim(name, "`")] = true
		}
	}
	given := codesInSource(t)
	for _, code := range verify.Codes() {
		given[string(code)] = true
	}
	for _, what := range []string{"passphrase", "password"} { // environment.secret
		given["no-"+what], given[what+"-mismatch"] = true, true
	}
	for code := range given {
		if !documented[code] {
			t.Errorf("%s is not in docs/reference/errors.md", code)
		}
	}
	for code := range documented {
		if !given[code] {
			t.Errorf("docs/reference/errors.md has %s, which nothing gives", code)
		}
	}
}

func codesInSource(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"verdict", "lookup", "signing", "ownlog"} {
		shared, err := filepath.Glob("../../internal/" + room + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, shared...)
	}
	codes := map[string]bool{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`Code: "([a-z-]+)"[,}]`).FindAllSubmatch(source, -1) {
			codes[string(found[1])] = true
		}
	}
	return codes
}

func TestExitStatus(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"none":                  {nil, 0},
		"refusal":               {&verify.Error{Code: verify.IdentityMismatch}, exitRefused},
		"unavailable":           {client.ErrUnavailable, exitUndecided},
		"several":               {failures{&verify.Error{Code: verify.IdentityMismatch}, client.ErrUnavailable}, exitRefused},
		"several, none refused": {failures{errors.New("anything"), client.ErrUnavailable}, exitUndecided},
		"other":                 {errors.New("anything"), exitUsage},
	} {
		env := environment{stderr: new(strings.Builder)}
		if got := env.report(c.err); got != c.want {
			t.Errorf("%s: exit %d, want %d", name, got, c.want)
		}
	}
}

// A service that is away is not for the user to run, unless it is on this machine.
func TestRemedyFitsTheCase(t *testing.T) {
	for name, c := range map[string]struct {
		cause error
		serve bool
	}{
		"nothing listens here":  {&net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv6loopback}}, true},
		"nothing listens there": {&net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}}, false},
		"no such host":          {&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}, false},
		"it answers 503":        {&client.StatusError{Status: 503}, false},
	} {
		for _, kind := range []error{client.ErrUnavailable, login.ErrUnavailable} {
			p := problemOf(fmt.Errorf("%w: %w", kind, c.cause))
			if p.Exit != exitUndecided || p.Try == "" || strings.Contains(p.Try, "hallmark serve") != c.serve {
				t.Errorf("%s: try %q, exit %d", name, p.Try, p.Exit)
			}
		}
	}
}

// What others wrote does not draw on the terminal.
func TestPrintable(t *testing.T) {
	p := problem{Exit: exitRefused, Code: "identity-mismatch", Found: "a\x1b[2Jb\nc\u202ed", Err: errors.New("x\ry")}
	if text := p.Text(); strings.ContainsAny(text, "\x1b\r\u202e") || strings.Count(text, "\n") != 3 {
		t.Errorf("got %q", text)
	}
}
