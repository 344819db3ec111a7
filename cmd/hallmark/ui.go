package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

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

// terminal is the terminal that stdin is, if it is one.
func (e environment) terminal() (fd int, ok bool) {
	f, isFile := e.stdin.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	return int(f.Fd()), true
}

// confirm asks a question that is answered with yes or no; nobody at the terminal
// is a no with a hint.
func (e environment) confirm(ctx context.Context, question, hint string) error {
	declined := &problem{exit: exitRefused, code: "not-confirmed", err: errors.New(question + " was not answered with yes"), try: hint}
	if _, ok := e.terminal(); !ok {
		return declined
	}
	fmt.Fprintf(e.stderr, "%s [y/N] ", question)
	answer, err := readLine(ctx, e.stdin)
	if err != nil {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return declined
	}
	return nil
}

// readLine reads a line, or ends when ctx does.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := bufio.NewReader(r).ReadString('\n')
		read <- result{line, err}
	}()
	select {
	case got := <-read:
		if got.err != nil && got.line == "" {
			return "", got.err
		}
		return got.line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// maxSecret is the longest passphrase, password or token file that is read.
const maxSecret = 64 << 10

// secret reads a passphrase or password: from a file, from a variable of the
// environment (empty name: none), or from a prompt, twice if it is a new one.
func (e environment) secret(ctx context.Context, what, file, variable string, isNew bool) ([]byte, error) {
	if file != "" {
		return readSecret(file)
	}
	if value := e.getenv(variable); variable != "" && value != "" {
		return []byte(value), nil
	}
	fd, ok := e.terminal()
	if !ok {
		return nil, &problem{exit: exitUsage, code: "no-" + what, err: fmt.Errorf("no %s was given and there is no terminal to ask at", what), try: secretHint(what, variable)}
	}
	first, err := e.prompt(ctx, fd, "Enter "+what+": ")
	if err != nil || !isNew {
		return first, err
	}
	again, err := e.prompt(ctx, fd, "Enter it again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, again) {
		return nil, &problem{exit: exitUsage, code: what + "-mismatch", err: fmt.Errorf("the two are not the same")}
	}
	return first, nil
}

func secretHint(what, variable string) string {
	hint := fmt.Sprintf("--%s-file FILE", what)
	if variable != "" {
		hint += ", or set " + variable
	}
	return hint
}

// prompt reads a secret without echo. When ctx ends first, the terminal is as it
// was before.
func (e environment) prompt(ctx context.Context, fd int, text string) ([]byte, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(e.stderr, text)
	defer fmt.Fprintln(e.stderr)
	type result struct {
		secret []byte
		err    error
	}
	read := make(chan result, 1)
	go func() {
		secret, err := term.ReadPassword(fd)
		read <- result{secret, err}
	}()
	select {
	case got := <-read:
		if got.err == nil && len(got.secret) == 0 {
			return nil, &problem{exit: exitUsage, code: "empty-secret", err: errors.New("nothing was typed")}
		}
		return got.secret, got.err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), term.Restore(fd, before))
	}
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

// readSecret reads a file of one line; the line's end does not count.
func readSecret(file string) ([]byte, error) {
	raw, err := readFile(file, maxSecret)
	if err != nil {
		return nil, err
	}
	secret := bytes.TrimRight(raw, "\r\n")
	if len(secret) == 0 {
		return nil, &problem{exit: exitUsage, subject: file, code: "empty-secret", err: errors.New("the file holds nothing")}
	}
	return secret, nil
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
