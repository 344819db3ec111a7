// SPDX-License-Identifier: Apache-2.0

package readlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/ownlog"
)

// problem returns the problem for an error of package logread.
func (l *openLog) problem(env cli.Environment, err error) error {
	dir, isDir := l.Source.(logread.Dir)
	fork := new(logread.Fork)
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, new(*fault.Problem)):
		return err
	case errors.As(err, &fork):
		return &fault.Problem{Exit: fault.ExitRefused, Subject: l.name, Code: "log-forked", Err: err, Expected: headText(fork.Old), Found: headText(fork.New)}
	case errors.Is(err, logread.ErrDamaged):
		return &fault.Problem{Exit: fault.ExitRefused, Subject: l.name, Code: "log-damaged", Err: err, Remedy: "check"}
	case errors.Is(err, logread.ErrCheckpoint):
		return &fault.Problem{Exit: fault.ExitRefused, Subject: l.name, Code: "checkpoint-invalid", Err: err}
	case errors.Is(err, logread.ErrUnknown):
		return &fault.Problem{Exit: fault.ExitUndecided, Subject: l.name, Code: "log-key-missing", Err: err}
	case errors.Is(err, logread.ErrBehind):
		return &fault.Problem{Exit: fault.ExitUndecided, Subject: l.name, Code: "log-behind", Err: err}
	case isDir && errors.Is(err, fs.ErrNotExist) && ownlog.IsDirectory(filepath.Join(string(dir), "tile")):
		return &fault.Problem{Exit: fault.ExitRefused, Subject: l.name, Code: "log-damaged", Err: errors.New("its checkpoint is missing")}
	case isDir && errors.Is(err, fs.ErrNotExist) && ownlog.IsDirectory(filepath.Join(string(dir), "rekor")):
		return &fault.Problem{Exit: fault.ExitUsage, Subject: l.name, Code: "unreadable", Err: errors.New("it is an instance, not a log"), Remedy: "logs-of-instance"}
	case isDir && errors.Is(err, fs.ErrNotExist):
		return &fault.Problem{Exit: fault.ExitUsage, Subject: l.name, Code: "unreadable", Err: err, Remedy: "log-place"}
	}
	return &fault.Problem{Exit: fault.ExitUndecided, Subject: l.name, Code: "could-not-look", Err: err}
}

// headText returns the size and root of a checkpoint on one line.
func headText(h *logread.Head) string {
	return fmt.Sprintf("%s with root %v", cli.Counted(h.Size, "entry", "entries"), h.Root)
}
