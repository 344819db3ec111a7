// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/verify"
)

func TestExitStatus(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"none":                  {nil, 0},
		"refusal":               {&verify.Error{Code: verify.IdentityMismatch}, fault.ExitRefused},
		"unavailable":           {client.ErrUnavailable, fault.ExitUndecided},
		"several":               {fault.Failures{&verify.Error{Code: verify.IdentityMismatch}, client.ErrUnavailable}, fault.ExitRefused},
		"several, none refused": {fault.Failures{errors.New("anything"), client.ErrUnavailable}, fault.ExitUndecided},
		"other":                 {errors.New("anything"), fault.ExitUsage},
	} {
		env := Environment{Stderr: new(strings.Builder)}
		if got := env.Report(c.err); got != c.want {
			t.Errorf("%s: exit %d, want %d", name, got, c.want)
		}
	}
}

// TestRemedyFitsTheCase checks that users are only told to start a service if it is on this
// machine.
func TestRemedyFitsTheCase(t *testing.T) {
	for name, c := range map[string]struct {
		cause error
		serve bool
	}{
		"nothing listens here":  {&net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv6loopback}}, true},
		"nothing listens there": {&net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}}, false},
		"no such host":          {&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}, false},
		"it answers 503":        {&client.StatusError{Status: 503}, false},
	} {
		for _, kind := range []error{client.ErrUnavailable, fmt.Errorf("logging in: %w", client.ErrUnavailable)} {
			p := ProblemOf(fmt.Errorf("%w: %w", kind, c.cause))
			try := Environment{}.Remedy(p)
			if p.Exit != fault.ExitUndecided || try == "" || strings.Contains(try, "hallmark serve") != c.serve {
				t.Errorf("%s: try %q, exit %d", name, try, p.Exit)
			}
		}
	}
}

// TestPrintable checks that untrusted text can't control the terminal.
func TestPrintable(t *testing.T) {
	p := fault.Problem{Exit: fault.ExitRefused, Code: "identity-mismatch", Found: "a\x1b[2Jb\nc\u202ed", Err: errors.New("x\ry")}
	if text := p.Text(""); strings.ContainsAny(text, "\x1b\r\u202e") || strings.Count(text, "\n") != 3 {
		t.Errorf("got %q", text)
	}
}
