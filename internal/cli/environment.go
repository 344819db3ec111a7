// SPDX-License-Identifier: Apache-2.0

package cli

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
	"github.com/hallmark-sign/hallmark/internal/fault"
)

// Environment is what a verb may touch of the process.
type Environment struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Args           []string
	JSON           bool // results, errors and notices are for machines

	// CheapUnsafe has init, try, user, log rotate and witness init make keys and
	// passwords that are cheap to guess. Tests alone set it.
	CheapUnsafe bool
}

// Say writes a line for people. Text in args may be others'.
func (e Environment) Say(format string, args ...any) {
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			args[i] = fault.Printable(arg)
		case error, fmt.Stringer:
			args[i] = fault.Printable(fmt.Sprint(arg))
		}
	}
	fmt.Fprintf(e.Stderr, format+"\n", args...)
}

// HTTP asks services, and says when it has to wait for one.
func (e Environment) HTTP(roots *x509.CertPool, timeout time.Duration) *http.Client {
	return client.NewHTTPFor(roots, timeout, func(notice string) { e.Say("%s", notice) })
}

// PrintJSON writes a result for machines, on one line.
func (e Environment) PrintJSON(v any) error { return writeJSON(e.Stdout, v) }

func writeJSON(w io.Writer, v any) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(fault.EscapeJSON(line.Bytes()))
	return err
}

// ForMachines returns the environment with results, errors and notices as JSON.
func (e Environment) ForMachines() Environment {
	e.JSON, e.Stderr = true, notices{e.Stderr}
	return e
}

// notices is stderr for machines: what is said becomes a line of JSON. A text without an
// end is a question to a user at a terminal.
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

// Machine returns stderr for text that is JSON already.
func (e Environment) Machine() io.Writer {
	if n, ok := e.Stderr.(notices); ok {
		return n.stderr
	}
	return e.Stderr
}

// Complain prints a problem.
func (e Environment) Complain(p *fault.Problem) {
	p = PlainProblem(p)
	if e.JSON {
		_ = writeJSON(e.Machine(), p.Report(e.Remedy(p)))
		return
	}
	fmt.Fprint(e.Stderr, p.Text(e.Remedy(p)))
}

// Command returns how the user called this program, for hints that can be pasted.
func (e Environment) Command() string {
	if len(e.Args) == 0 || strings.Contains(e.Args[0], "go-build") {
		return "go run ./cmd/hallmark"
	}
	return filepath.Base(e.Args[0])
}

// Counted returns a number of things in words.
func Counted[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// CollectLess collects garbage less often than Go does by default. A server or a
// long verification keeps a few MiB and discards much. GOGC overrides it.
func (e Environment) CollectLess() { e.collect(400) }

// CollectMore collects garbage sooner, for work that discards copies of megabytes.
func (e Environment) CollectMore() { e.collect(25) }

// CollectWithin collects garbage more often as memory approaches a limit in MiB.
// GOMEMLIMIT overrides it.
func (e Environment) CollectWithin(mib int) {
	if e.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(mib) << 20)
	}
}

func (e Environment) collect(percent int) {
	if e.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// Progress returns a function that reports the progress of long work, once a second.
func (e Environment) Progress(verb, noun string) func(done, total uint64) {
	var mu sync.Mutex
	last := time.Now()
	return func(done, total uint64) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(last) >= time.Second {
			last = now
			e.Say("%s %d of %d %s", verb, done, total, noun)
		}
	}
}
