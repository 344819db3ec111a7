package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/verdict"
)

// environment is what a verb may touch of the process.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	args           []string
	json           bool // results, errors and notices are for machines
}

// say writes a line for people. Text in args may be others'.
func (e environment) say(format string, args ...any) {
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			args[i] = verdict.Printable(arg)
		case error, fmt.Stringer:
			args[i] = verdict.Printable(fmt.Sprint(arg))
		}
	}
	fmt.Fprintf(e.stderr, format+"\n", args...)
}

// http asks services, and says when it has to wait for one.
func (e environment) http(roots *x509.CertPool, timeout time.Duration) *http.Client {
	return client.NewHTTPFor(roots, timeout, func(notice string) { e.say("%s", notice) })
}

// printJSON writes a result for machines, on one line.
func (e environment) printJSON(v any) error { return writeJSON(e.stdout, v) }

func writeJSON(w io.Writer, v any) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(verdict.EscapeJSON(line.Bytes()))
	return err
}

// notices is stderr for machines: what is said becomes a line of JSON. A text without an
// end is a question, to somebody at a terminal.
type notices struct{ stderr io.Writer }

// Write takes one notice.
func (n notices) Write(text []byte) (int, error) {
	said, ended := strings.CutSuffix(string(text), "\n")
	switch {
	case !ended:
		return n.stderr.Write(text)
	case strings.TrimSpace(said) == "":
		return len(text), nil
	}
	return len(text), writeJSON(n.stderr, struct {
		Notice string `json:"notice"`
	}{said})
}

// machine is stderr for what is JSON already.
func (e environment) machine() io.Writer {
	if n, ok := e.stderr.(notices); ok {
		return n.stderr
	}
	return e.stderr
}

// complain prints a problem.
func (e environment) complain(p *verdict.Problem) {
	p = plain(p)
	if e.json {
		_ = writeJSON(e.machine(), p.Report())
		return
	}
	fmt.Fprint(e.stderr, p.Text())
}

// command is how the user called this program, for hints that can be pasted.
func (e environment) command() string {
	if len(e.args) == 0 || strings.Contains(e.args[0], "go-build") {
		return "go run ./cmd/hallmark"
	}
	return filepath.Base(e.args[0])
}

// counted is a number of things in words.
func counted[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// collectLess has garbage collected less often than Go's 100 % would: what a server
// or a long verification keeps is a few MiB, and what it throws away much. GOGC
// overrides it.
func (e environment) collectLess() { e.collect(400) }

// collectMore has garbage collected sooner, where it is a few copies of megabytes.
func (e environment) collectMore() { e.collect(25) }

// collectWithin has garbage collected more often as memory comes near to so many MiB.
// GOMEMLIMIT overrides it.
func (e environment) collectWithin(mib int) {
	if e.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(mib) << 20)
	}
}

func (e environment) collect(percent int) {
	if e.getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// progress says how far long work is, once a second.
func (e environment) progress(verb, noun string) func(done, total uint64) {
	var mu sync.Mutex
	last := time.Now()
	return func(done, total uint64) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(last) >= time.Second {
			last = now
			e.say("%s %d of %d %s", verb, done, total, noun)
		}
	}
}
