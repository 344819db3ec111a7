package main

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/verdict"
)

// account is a text of lines with a name each.
type account struct {
	strings.Builder
	lines []accountLine
}

type accountLine struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

func (a *account) line(name, format string, args ...any) {
	text := verdict.Printable(fmt.Sprintf(format, args...))
	a.lines = append(a.lines, accountLine{name, text})
	fmt.Fprintf(a, "  %-11s %s\n", name, text)
}

func (a *account) hashes(proof []tlog.Hash) {
	for _, h := range proof {
		a.line("proof", "%v", h)
	}
}

// text adds lines that others wrote.
func (a *account) text(lines []byte) {
	for line := range strings.Lines(string(lines)) {
		fmt.Fprintf(a, "    %s\n", verdict.Printable(strings.TrimSuffix(line, "\n")))
	}
}
