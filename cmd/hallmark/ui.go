package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/client/login"
	"github.com/hallmark-sign/hallmark/verify"
)

// Exit statuses.
const (
	exitRefused   = 1 // looked, and the answer is no
	exitUsage     = 2 // usage or unreadable input
	exitUndecided = 3 // network, registry, stale or missing trust
)

// environment is what a verb may touch of the process.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	args           []string
}

// say writes a line for people.
func (e environment) say(format string, args ...any) {
	fmt.Fprintf(e.stderr, format+"\n", args...)
}

// printJSON writes v for machines, on one line.
func (e environment) printJSON(v any) error {
	encoder := json.NewEncoder(e.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// command is how the user called this program, for hints that can be pasted.
func (e environment) command() string {
	if len(e.args) == 0 || strings.Contains(e.args[0], "go-build") {
		return "go run ./cmd/hallmark"
	}
	return filepath.Base(e.args[0])
}

// problem is an error as people see it: what is wrong, in which words of
// docs/errors.md, and what to type next.
type problem struct {
	exit            int
	subject         string // the file or URL that it is about; may be empty
	code            string
	expected, found string // may be empty
	try             string // a command; may be empty
	err             error
}

// Error is the cause alone.
func (p *problem) Error() string { return p.err.Error() }

// Unwrap gives the cause.
func (p *problem) Unwrap() error { return p.err }

// report prints err and gives the exit status that it stands for.
func (e environment) report(err error) int {
	if err == nil {
		return 0
	}
	if all := failures(nil); errors.As(err, &all) {
		worst := 0
		for _, one := range all {
			worst = max(worst, e.report(one))
		}
		return worst
	}
	p := problemOf(err)
	fmt.Fprint(e.stderr, p.text())
	return p.exit
}

// failures are the errors of a verb that goes on after one.
type failures []error

// Error is that of the first.
func (f failures) Error() string { return f[0].Error() }

// orNil is nil where nothing failed.
func (f failures) orNil() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// problemOf finds the code and the status for an error that no verb has dressed.
func problemOf(err error) *problem {
	if p := new(problem); errors.As(err, &p) {
		return p
	}
	refused, status, denied := new(verify.Error), new(client.StatusError), new(login.Refused)
	switch {
	case errors.As(err, &refused):
		return &problem{exit: exitRefused, code: string(refused.Code), expected: refused.Expected, found: refused.Found, err: reasonOf(refused)}
	case errors.Is(err, context.Canceled):
		return &problem{exit: exitUndecided, code: "interrupted", err: errors.New("stopped before the end")}
	case errors.Is(err, login.ErrPassword), errors.As(err, &denied):
		return &problem{exit: exitRefused, code: "login-refused", err: err}
	case errors.Is(err, client.ErrUnavailable), errors.Is(err, login.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return &problem{exit: exitUndecided, code: "service-unavailable", err: err, try: "again, once the instance runs (hallmark serve)"}
	case errors.As(err, &status):
		return &problem{exit: exitRefused, code: "service-refused", err: err}
	}
	return &problem{exit: exitUsage, code: "failed", err: err}
}

// reasonOf says what a refusal means, and what exactly went wrong where that is
// more than what was expected and found.
func reasonOf(e *verify.Error) error {
	if e.Err == nil {
		return errors.New(e.Code.Meaning())
	}
	if strings.Contains(e.Err.Error(), e.Code.Meaning()) {
		return e.Err
	}
	return fmt.Errorf("%s: %w", e.Code.Meaning(), e.Err)
}

// text is a problem in the one shape of all:
//
//	hallmark: README.md: refused: identity-mismatch
//	  reason    …
//	  expected  alice@example.com from https://login.example.com
//	  found     bob@example.com from https://login.example.com
//	  try       hallmark inspect README.md.sigstore.json
func (p *problem) text() string {
	var b strings.Builder
	b.WriteString("hallmark: ")
	if p.subject != "" {
		b.WriteString(printable(p.subject) + ": ")
	}
	verdict := map[int]string{exitRefused: "refused", exitUsage: "cannot", exitUndecided: "could not decide"}[p.exit]
	fmt.Fprintf(&b, "%s: %s\n", verdict, p.code)
	for _, line := range [][2]string{
		{"reason", printable(strings.ReplaceAll(strings.TrimSpace(p.err.Error()), "\n", "; "))}, {"expected", printable(p.expected)}, {"found", printable(p.found)}, {"try", p.try},
	} {
		if line[1] != "" {
			fmt.Fprintf(&b, "  %-9s %s\n", line[0], line[1])
		}
	}
	return b.String()
}

// printable keeps text that others wrote from drawing on the terminal: control
// characters become visible escapes.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// untilDone is a reader that ends with ctx: what is read for minutes must not
// outlive a Ctrl-C.
type untilDone struct {
	ctx context.Context
	io.Reader
}

// Read reads, or gives the context's error.
func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if int64(len(raw)) > limit {
		return nil, unreadable(path, fmt.Errorf("more than %d bytes", limit))
	}
	return raw, nil
}

// unreadable is input that can't be read or makes no sense.
func unreadable(path string, err error) error {
	return &problem{exit: exitUsage, subject: path, code: "unreadable", err: err}
}
