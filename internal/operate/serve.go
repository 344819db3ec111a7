// SPDX-License-Identifier: Apache-2.0

package operate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/listener"
)

// A Service is a server that runs until it is stopped, with its log in JSON on stderr.
type Service struct {
	Config         string // directory or configuration file of an instance
	Listen         string // address; empty: the configuration's
	PassphraseFile string // empty: ask for the passphrase
	LogLevel       string // debug, info, warn or error

	Version, Commit string // of this program
}

// serverMiB is what an instance needs besides the bodies of requests: for connections,
// for passwords that are hashed, and for itself.
const serverMiB = 96

func (f Service) instance(ctx context.Context, env cli.Environment, logger *slog.Logger) error {
	passphrase, err := env.Secret(ctx, "passphrase", f.PassphraseFile, "HALLMARK_PASSPHRASE", "")
	if err != nil {
		return err
	}
	hangups, ignore := hangups()
	defer ignore()
	i, err := OpenInstance(f.Config, passphrase)
	if err != nil {
		return err
	}
	if f.Listen != "" {
		i.Config.Listen = f.Listen
		if err := i.Config.Check(); err != nil {
			return &fault.Problem{Exit: fault.ExitUsage, Subject: f.Listen, Code: "configuration", Err: err}
		}
	}
	env.CollectLess()
	env.CollectWithin(i.Config.Limits.Effective().UploadMiB + serverMiB)
	listener, err := Listen(i.Config.Listen)
	if err != nil {
		return err
	}
	s, err := NewServer(i, listener, logger, hangups)
	if err != nil {
		return err
	}
	if f.Listen != "" && i.Config.TLS == nil && f.Listen != i.Config.Host() {
		logger.Warn("clients are told the configuration's URL all the same: it must lead here", "url", i.Config.URL)
	}
	return servingProblem(i.Config.Dir, s.Serve(ctx, listener))
}

// hangups returns the SIGHUPs that this process receives. They do not end the process until
// ignore is called.
func hangups() (signals <-chan os.Signal, ignore func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// servingProblem returns the problem for the error that ended a server.
func servingProblem(dir string, err error) error {
	if errors.Is(err, listener.ErrCertificate) {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: dir, Code: "configuration", Err: err, Remedy: "tls"}
	}
	return err
}

// inJSON runs a server that writes nothing but JSON lines to stderr. This includes what
// libraries log and the reason why the server ended.
func (f Service) inJSON(env cli.Environment, run func(*slog.Logger) error) error {
	logger, err := f.logger(env)
	if err != nil {
		return err
	}
	slog.SetDefault(logger)
	logger.Info("starting", "version", f.Version, "commit", f.Commit)
	if err := run(logger); err != nil {
		p := cli.ProblemOf(err)
		logger.Error("ended", "code", p.Code, "subject", p.Subject, "reason", cli.PlainProblem(p).Error(), "try", env.Remedy(p), "exit", p.Exit)
		return cli.LoggedStatus(p.Exit)
	}
	logger.Info("ended")
	return nil
}

// logger writes the server's log to stderr.
func (f Service) logger(env cli.Environment) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Err: fmt.Errorf("--log-level: %q is none of debug, info, warn and error", f.LogLevel), Remedy: "log-level"}
	}
	return slog.New(slog.NewJSONHandler(env.Machine(), &slog.HandlerOptions{Level: level})), nil
}

// Serve runs an instance until ctx ends.
func (f Service) Serve(ctx context.Context, env cli.Environment) error {
	return f.inJSON(env, func(logger *slog.Logger) error { return f.instance(ctx, env, logger) })
}
