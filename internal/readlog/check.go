// SPDX-License-Identifier: Apache-2.0

package readlog

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
)

// A checkedLog is the JSON result of a check.
type checkedLog struct {
	Log      string       `json:"log"`
	Origin   string       `json:"origin"`
	Size     uint64       `json:"size"`
	RootHash string       `json:"rootHash"`
	Seconds  float64      `json:"seconds"`
	Findings []logFinding `json:"findings"`
	More     int          `json:"more,omitempty"` // findings that are not listed
}

// remoteTiles is the number of concurrent requests for tiles over HTTP.
const remoteTiles = 8

// Check verifies the whole log and prints what is damaged.
func (f Flags) Check(ctx context.Context, env cli.Environment, name string) error {
	env.CollectLess()
	l, err := f.open(ctx, env, name)
	if err != nil {
		return err
	}
	start := time.Now()
	o := logread.CheckOptions{Workers: runtime.GOMAXPROCS(0), Progress: env.Progress("checked", "entries")}
	if _, ok := l.Source.(logread.HTTP); ok {
		o.Workers = remoteTiles
	}
	report, err := l.Check(ctx, o)
	if err != nil {
		return l.problem(env, err)
	}
	out := checkedLog{
		Log: name, Origin: report.Head.Origin, Size: report.Head.Size, RootHash: report.Head.Root.String(),
		Seconds: time.Since(start).Seconds(), Findings: []logFinding{}, More: report.Dropped,
	}
	malformed := 0
	for _, one := range report.Findings {
		out.Findings = append(out.Findings, logFinding(one))
		if one.Kind == logread.Malformed {
			malformed++
		}
	}
	if err := out.print(env); err != nil {
		return err
	}
	what := errors.New(cli.Counted(len(out.Findings)+out.More, "finding", "findings") + ", listed above")
	switch len(out.Findings) + out.More {
	case 0:
		return nil
	case malformed:
		return &fault.Problem{Exit: fault.ExitRefused, Subject: name, Code: "log-entry-malformed", Err: what}
	}
	return &fault.Problem{Exit: fault.ExitRefused, Subject: name, Code: "log-damaged", Err: what}
}

func (c checkedLog) print(env cli.Environment) error {
	if env.JSON {
		return env.PrintJSON(c)
	}
	for _, one := range c.Findings {
		line := one.Path + ": " + one.Kind
		if one.Detail != "" {
			line += ", " + one.Detail
		}
		if _, err := fmt.Fprintln(env.Stdout, fault.Printable(line)); err != nil {
			return err
		}
	}
	if c.More > 0 {
		fmt.Fprintf(env.Stdout, "and %d more\n", c.More)
	}
	if len(c.Findings)+c.More > 0 {
		return nil
	}
	_, err := fmt.Fprintf(env.Stdout, "%s: good, %s of %s, root %s, checked in %.1f s\n",
		fault.Printable(c.Log), cli.Counted(c.Size, "entry", "entries"), fault.Printable(c.Origin), c.RootHash, c.Seconds)
	return err
}

type logFinding struct {
	Path   string `json:"path"`
	Kind   string `json:"kind"`
	Detail string `json:"detail,omitempty"`
}
