package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/client/login"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/verify"
)

// Exit statuses.
const (
	exitRefused   = verdict.ExitRefused
	exitUsage     = verdict.ExitUsage
	exitUndecided = verdict.ExitUndecided
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
			args[i] = printable(arg)
		case error, fmt.Stringer:
			args[i] = printable(fmt.Sprint(arg))
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
func (e environment) complain(p *problem) {
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

// problem is an error as people see it.
type problem = verdict.Problem

// failures is the list of errors of a verb that goes on after a failure.
type failures = verdict.Failures

// report prints err and gives the exit status that it stands for.
func (e environment) report(err error) int {
	if err == nil {
		return 0
	}
	if all := failures(nil); errors.As(err, &all) {
		worst := 0
		for _, one := range all {
			worst = verdict.WorseExit(worst, e.report(one))
		}
		return worst
	}
	if status := logged(0); errors.As(err, &status) {
		return int(status)
	}
	if worst := new(verdict.Worst); errors.As(err, &worst) {
		e.complain(worst.Problem)
		return worst.Status
	}
	p := problemOf(err)
	e.complain(p)
	return p.Exit
}

// problemOf finds the code and the status for an error that no verb has dressed.
func problemOf(err error) *problem {
	if about := new(verdict.SubjectError); errors.As(err, &about) {
		p := *problemOf(about.Err)
		p.Subject = cmp.Or(p.Subject, about.Subject)
		return &p
	}
	if p := new(problem); errors.As(err, &p) {
		return p
	}
	refused, status, denied := new(verify.Error), new(client.StatusError), new(login.Refused)
	switch {
	case errors.As(err, &refused):
		return verdict.Refused(refused)
	case errors.Is(err, context.Canceled):
		return verdict.Interrupted("")
	case errors.Is(err, client.ErrUnavailable), errors.Is(err, login.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return &problem{Exit: exitUndecided, Code: "service-unavailable", Err: err, Try: againWhen(err)}
	case errors.Is(err, login.ErrPassword), errors.As(err, &denied):
		return &problem{Exit: exitRefused, Code: "login-refused", Err: err}
	case errors.Is(err, client.ErrNoService):
		return &problem{Exit: exitUndecided, Code: "no-service", Err: err}
	case errors.As(err, &status):
		return &problem{Exit: exitRefused, Code: "service-refused", Err: err}
	case durable.Failing(err):
		return diskProblem("", err)
	}
	return &problem{Exit: exitUsage, Code: "failed", Err: err}
}

// againWhen says when a service may answer: an instance on this machine, where nothing
// listens, is for the user to run. A certificate that is not trusted does not become so.
func againWhen(err error) string {
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return "--cacert FILE, if its TLS certificate is of a private authority; 'hallmark trust add URL --cacert FILE' keeps it"
	}
	dial := new(net.OpError)
	if errors.As(err, &dial) && dial.Op == "dial" {
		if address, ok := dial.Addr.(*net.TCPAddr); ok && address.IP.IsLoopback() {
			return "again, once the instance runs (hallmark serve)"
		}
		return "again, once the network and the service are there"
	}
	return "again, later"
}

// printable keeps text that others wrote from drawing on the terminal.
func printable(text string) string { return verdict.Printable(text) }

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) { return verdict.ReadFile(path, limit) }

// unreadable is input that can't be read or makes no sense.
func unreadable(path string, err error) error { return verdict.Unreadable(path, err) }
