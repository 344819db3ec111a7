// SPDX-License-Identifier: Apache-2.0

package operate

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/keys"
	"github.com/hallmark-sign/hallmark/internal/server"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
)

func OpenInstance(path string, passphrase []byte) (*instance.Instance, error) {
	i, err := instance.Open(config.Find(path), passphrase)
	if errors.Is(err, keys.ErrPassphrase) {
		return nil, &fault.Problem{Exit: fault.ExitRefused, Subject: path, Code: "wrong-passphrase", Err: err}
	}
	if durable.Failing(err) {
		return nil, cli.DiskProblem(path, err)
	}
	if err != nil {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: path, Code: "configuration", Err: err}
	}
	return i, nil
}

// Listen listens on a TCP address.
func Listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &fault.Problem{Exit: fault.ExitUndecided, Subject: address, Code: "address-in-use", Err: err}
	}
	return listener, nil
}

// NewServer opens the logs of i, to be served at l. On failure it closes l.
func NewServer(i *instance.Instance, l net.Listener, logger *slog.Logger, reload <-chan os.Signal) (*server.Server, error) {
	s, err := server.New(server.Options{Instance: i, Logger: logger, Reload: reload})
	if err == nil {
		return s, nil
	}
	l.Close()
	if durable.Failing(err) {
		return nil, cli.DiskProblem(i.Config.Dir, err)
	}
	if errors.Is(err, durable.ErrLocked) {
		return nil, &fault.Problem{Exit: fault.ExitUndecided, Subject: i.Config.Dir, Code: "instance-locked", Err: fmt.Errorf("another process serves this instance: %w", err)}
	}
	if lost := lostLog(err); lost != nil {
		return nil, lost
	}
	if errors.Is(err, instance.ErrDemand) {
		return nil, demandProblem(i.Config.Dir, err)
	}
	if errors.Is(err, tilelog.ErrFrozen) {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: i.Config.Dir, Code: "configuration", Err: fmt.Errorf("a rotation was interrupted: %w", err), Remedy: "rotate-again"}
	}
	return nil, err
}

// lostLog returns the refusal to start with a log that was lost or restored from an old copy.
// It returns nil if err reports neither.
func lostLog(err error) error {
	if went := new(tilelog.WentBack); errors.As(err, &went) {
		return &fault.Problem{
			Exit: fault.ExitUsage, Subject: went.Dir, Code: "log-went-back", Err: err,
		}
	}
	lost := new(tilelog.Lost)
	if !errors.As(err, &lost) {
		return nil
	}
	return &fault.Problem{Exit: fault.ExitUsage, Subject: lost.Dir, Code: "log-lost", Err: err}
}

// demandProblem returns the refusal of a configuration for whose witnesses no log policy can
// be published.
func demandProblem(dir string, err error) error {
	p := &fault.Problem{Exit: fault.ExitUsage, Subject: dir, Code: "configuration", Err: err, Remedy: "witnesses"}
	if errors.Is(err, instance.ErrBegun) {
		return p.With("rotate")
	}
	return p
}
