// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/client/login"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/trust/store"
	"github.com/hallmark-sign/hallmark/verify"
)

// Report prints err and gives the exit status that it stands for.
func (e Environment) Report(err error) int {
	if err == nil {
		return 0
	}
	if all := fault.Failures(nil); errors.As(err, &all) {
		worst := 0
		for _, one := range all {
			worst = fault.WorseExit(worst, e.Report(one))
		}
		return worst
	}
	if status := LoggedStatus(0); errors.As(err, &status) {
		return int(status)
	}
	if worst := new(fault.Worst); errors.As(err, &worst) {
		e.Complain(worst.Problem)
		return worst.Status
	}
	p := ProblemOf(err)
	e.Complain(p)
	return p.Exit
}

// ProblemOf finds the code and the status for an error that no verb has dressed.
func ProblemOf(err error) *fault.Problem {
	if about := new(fault.SubjectError); errors.As(err, &about) {
		p := *ProblemOf(about.Err)
		p.Subject = cmp.Or(p.Subject, about.Subject)
		return &p
	}
	if p := new(fault.Problem); errors.As(err, &p) {
		return p
	}
	refused, status, denied := new(verify.Error), new(client.StatusError), new(login.Refused)
	switch {
	case errors.As(err, &refused):
		return fault.Refused(refused)
	case errors.Is(err, context.Canceled):
		return fault.Interrupted("")
	case errors.Is(err, client.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return &fault.Problem{Exit: fault.ExitUndecided, Code: "service-unavailable", Err: err, Remedy: againWhen(err)}
	case errors.Is(err, login.ErrPassword), errors.As(err, &denied):
		return &fault.Problem{Exit: fault.ExitRefused, Code: "login-refused", Err: err}
	case errors.Is(err, client.ErrNoService):
		return &fault.Problem{Exit: fault.ExitUndecided, Code: "no-service", Err: err}
	case errors.Is(err, store.ErrName):
		return &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Err: err}
	case errors.As(err, &status):
		return &fault.Problem{Exit: fault.ExitRefused, Code: "service-refused", Err: err, Remedy: refusalRemedy(status)}
	case durable.Failing(err):
		return fault.Of(DiskProblem("", err))
	}
	return &fault.Problem{Exit: fault.ExitUsage, Code: "failed", Err: err}
}

// refusalRemedy returns the remedy for a refusal of a service. A frozen log answers 410.
func refusalRemedy(e *client.StatusError) string {
	if e.Status == http.StatusGone {
		return "frozen"
	}
	return ""
}

// againWhen returns the remedy for a service that did not answer. An instance on this
// machine has to be started by the user; an untrusted certificate stays untrusted.
func againWhen(err error) string {
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return "cacert"
	}
	dial := new(net.OpError)
	if errors.As(err, &dial) && dial.Op == "dial" {
		if address, ok := dial.Addr.(*net.TCPAddr); ok && address.IP.IsLoopback() {
			return "serve"
		}
		return "network"
	}
	return ""
}

// LoggedStatus is the exit status of a server whose log says why it ended.
type LoggedStatus int

// Error returns where the error is described.
func (LoggedStatus) Error() string { return "ended with an error, which is in the log" }

// DiskProblem returns the problem for a disk that is full, read-only or broken.
func DiskProblem(subject string, err error) error {
	return &fault.Problem{Exit: fault.ExitUndecided, Subject: subject, Code: "disk-failed", Err: err}
}

// About names the file that an error is about, unless one is named already.
func About(file string, err error) error {
	return ProblemOf(&fault.SubjectError{Subject: file, Err: err})
}
