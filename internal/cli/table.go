// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/fault"
)

// Table is a text of lines with a name each.
type Table struct {
	strings.Builder
	Lines []Row
}

type Row struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

func (a *Table) Line(name, format string, args ...any) {
	text := fault.Printable(fmt.Sprintf(format, args...))
	a.Lines = append(a.Lines, Row{name, text})
	fmt.Fprintf(a, "  %-11s %s\n", name, text)
}

func (a *Table) Hashes(proof []tlog.Hash) {
	for _, h := range proof {
		a.Line("proof", "%v", h)
	}
}

// Text adds lines that others wrote.
func (a *Table) Text(lines []byte) {
	for line := range strings.Lines(string(lines)) {
		fmt.Fprintf(a, "    %s\n", fault.Printable(strings.TrimSuffix(line, "\n")))
	}
}
