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

// A printer prints verdicts as they come.
type printer struct {
	Verification
	env     cli.Environment
	many    bool
	summary report.Summary
	drawn   time.Time // when progress was last drawn
}

func (p *printer) print(v judge.Verdict) error {
	p.summary.Add(v)
	if p.Quiet && v.Err == nil {
		return nil
	}
	var err error
	switch {
	case p.env.JSON:
		err = p.env.PrintJSON(Report(p.env, v))
	case p.many && !p.Explain:
		p.progress()
		_, err = fmt.Fprint(p.env.Stdout, report.Line(v))
	default:
		_, err = fmt.Fprint(p.env.Stdout, report.Text(v))
	}
	return err
}

// Report returns a verdict for machines, with what to try.
func Report(env cli.Environment, v judge.Verdict) report.Report {
	out := report.Of(v)
	if p := v.Problem(); p != nil {
		out.Reason, out.Try = cli.Plain(out.Reason), env.Remedy(p)
	}
	return out
}

// progress draws how far it is on a terminal, where verdicts go elsewhere.
func (p *printer) progress() {
	stderr, isFile := p.env.Stderr.(*os.File)
	stdout, _ := p.env.Stdout.(*os.File)
	if !isFile || !term.IsTerminal(int(stderr.Fd())) || stdout != nil && term.IsTerminal(int(stdout.Fd())) || time.Since(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	fmt.Fprintf(p.env.Stderr, "\r%s ", p.summary.String())
}

// end prints the summary and explains the first that was not verified.
func (p *printer) end() error {
	if !p.drawn.IsZero() {
		fmt.Fprint(p.env.Stderr, "\r\x1b[K")
	}
	if p.many && !p.Quiet && !p.env.JSON {
		p.env.Say("hallmark: %s", p.summary.String())
	}
	return p.summary.Err()
}
