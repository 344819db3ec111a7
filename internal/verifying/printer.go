// SPDX-License-Identifier: Apache-2.0

package verifying

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/report"
)

// teller prints verdicts as they come.
type teller struct {
	Verification
	env     cli.Environment
	many    bool
	summary report.Summary
	drawn   time.Time // when progress was last drawn
}

func (t *teller) tell(v judge.Verdict) error {
	t.summary.Add(v)
	if t.Quiet && v.Err == nil {
		return nil
	}
	var err error
	switch {
	case t.env.JSON:
		out := report.Of(v)
		out.Reason = cli.Plain(out.Reason)
		err = t.env.PrintJSON(out)
	case t.many && !t.Explain:
		t.progress()
		_, err = fmt.Fprint(t.env.Stdout, report.Line(v))
	default:
		_, err = fmt.Fprint(t.env.Stdout, report.Text(v))
	}
	return err
}

// progress draws how far it is on a terminal, where verdicts go elsewhere.
func (t *teller) progress() {
	stderr, isFile := t.env.Stderr.(*os.File)
	stdout, _ := t.env.Stdout.(*os.File)
	if !isFile || !term.IsTerminal(int(stderr.Fd())) || stdout != nil && term.IsTerminal(int(stdout.Fd())) || time.Since(t.drawn) < 100*time.Millisecond {
		return
	}
	t.drawn = time.Now()
	fmt.Fprintf(t.env.Stderr, "\r%s ", t.summary.String())
}

// end prints the summary and explains the first that was not verified.
func (t *teller) end() error {
	if !t.drawn.IsZero() {
		fmt.Fprint(t.env.Stderr, "\r\x1b[K")
	}
	if t.many && !t.Quiet && !t.env.JSON {
		t.env.Say("hallmark: %s", t.summary.String())
	}
	return t.summary.Err()
}
