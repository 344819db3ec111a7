package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/keys"
	"github.com/hallmark-sign/hallmark/internal/server"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/internal/verdict"
)

// serveFlags are those of every verb that opens an instance's keys.
type serveFlags struct {
	config         string
	listen         string
	passphraseFile string
	logLevel       string
}

// serverMiB is what an instance needs besides the bodies of requests: for connections,
// for passwords that are hashed, and for itself.
const serverMiB = 96

func serveCommand(env cli.Environment) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve -c DIR",
		Short: "Run an instance",
		Long: `Runs every service of an instance on one address, until SIGTERM or Ctrl-C: then it
answers what it has accepted and ends. The log goes to stderr, one JSON object a line;
"serving" is written once connections are accepted.

TLS certificates are read again when their files change, and on SIGHUP. New files that
can't be used are logged as an error, and the old certificate is kept.`,
		Example: `  hallmark serve -c my-instance/hallmark.yaml
  HALLMARK_PASSPHRASE=… hallmark serve -c my-instance/hallmark.yaml --listen 127.0.0.1:8080`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.config == "" {
				return cli.UsageError(cmd, errors.New("which instance? give -c DIR"))
			}
			return f.inJSON(env, func(logger *slog.Logger) error { return f.serve(cmd.Context(), env, logger) })
		},
	}
	cli.AddConfig(cmd.Flags(), &f.config, "")
	cmd.Flags().StringVar(&f.listen, "listen", "", "address to listen on, instead of the configuration's")
	cmd.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", "`FILE` with the passphrase of the keys")
	f.addLevel(cmd)
	return cmd
}

func (f *serveFlags) addLevel(cmd *cobra.Command) {
	levels := []string{"debug", "info", "warn", "error"}
	cmd.Flags().StringVar(&f.logLevel, "log-level", "info", cli.OneOf(levels))
	cli.Complete(cmd, "log-level", levels...)
}

func (f serveFlags) serve(ctx context.Context, env cli.Environment, logger *slog.Logger) error {
	passphrase, err := env.Secret(ctx, "passphrase", f.passphraseFile, "HALLMARK_PASSPHRASE", "")
	if err != nil {
		return err
	}
	hangups, ignore := hangups()
	defer ignore()
	i, err := openInstance(f.config, passphrase)
	if err != nil {
		return err
	}
	if f.listen != "" {
		i.Config.Listen = f.listen
		if err := i.Config.Check(); err != nil {
			return &verdict.Problem{Exit: verdict.ExitUsage, Subject: f.listen, Code: "configuration", Err: err}
		}
	}
	env.CollectLess()
	env.CollectWithin(i.Config.Limits.Effective().UploadMiB + serverMiB)
	listener, err := listen(i.Config.Listen)
	if err != nil {
		return err
	}
	s, err := newServer(i, listener, logger, hangups)
	if err != nil {
		return err
	}
	if f.listen != "" && i.Config.TLS == nil && f.listen != i.Config.Host() {
		logger.Warn("clients are told the configuration's URL all the same: it must lead here", "url", i.Config.URL)
	}
	return servingProblem(i.Config.Dir, s.Serve(ctx, listener))
}

// hangups gives the SIGHUPs of this process, which don't end it any more until ignore is
// called.
func hangups() (signals <-chan os.Signal, ignore func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// servingProblem is what a server ended with.
func servingProblem(dir string, err error) error {
	if errors.Is(err, server.ErrCertificate) {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: dir, Code: "configuration", Err: err, Try: "tls in the configuration"}
	}
	return err
}

// inJSON runs a server whose output is JSON lines alone, from the first to the last:
// what libraries have to say, and why it ended.
func (f serveFlags) inJSON(env cli.Environment, run func(*slog.Logger) error) error {
	logger, err := f.logger(env)
	if err != nil {
		return err
	}
	slog.SetDefault(logger)
	version, commit := built()
	logger.Info("starting", "version", version, "commit", commit)
	if err := run(logger); err != nil {
		p := cli.ProblemOf(err)
		logger.Error("ended", "code", p.Code, "subject", p.Subject, "reason", cli.PlainProblem(p).Error(), "try", p.Try, "exit", p.Exit)
		return cli.LoggedStatus(p.Exit)
	}
	logger.Info("ended")
	return nil
}

// logger writes the server's log to stderr.
func (f serveFlags) logger(env cli.Environment) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return nil, &verdict.Problem{Exit: verdict.ExitUsage, Code: "usage", Err: fmt.Errorf("--log-level: %q is none of debug, info, warn and error", f.logLevel), Try: "--log-level info"}
	}
	return slog.New(slog.NewJSONHandler(env.Machine(), &slog.HandlerOptions{Level: level})), nil
}

func openInstance(path string, passphrase []byte) (*instance.Instance, error) {
	i, err := instance.Open(config.Find(path), passphrase)
	if errors.Is(err, keys.ErrPassphrase) {
		return nil, &verdict.Problem{Exit: verdict.ExitRefused, Subject: path, Code: "wrong-passphrase", Err: err}
	}
	if durable.Failing(err) {
		return nil, cli.DiskProblem(path, err)
	}
	if err != nil {
		return nil, &verdict.Problem{Exit: verdict.ExitUsage, Subject: path, Code: "configuration", Err: err}
	}
	return i, nil
}

func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &verdict.Problem{Exit: verdict.ExitUndecided, Subject: address, Code: "address-in-use", Err: err, Try: "--listen ADDR, or stop what listens there"}
	}
	return listener, nil
}

// newServer opens the logs of i, to be served at l. It closes l when it fails.
func newServer(i *instance.Instance, l net.Listener, logger *slog.Logger, reload <-chan os.Signal) (*server.Server, error) {
	s, err := server.New(server.Options{Instance: i, Logger: logger, Reload: reload})
	if err == nil {
		return s, nil
	}
	l.Close()
	if durable.Failing(err) {
		return nil, cli.DiskProblem(i.Config.Dir, err)
	}
	if errors.Is(err, durable.ErrLocked) {
		return nil, &verdict.Problem{Exit: verdict.ExitUndecided, Subject: i.Config.Dir, Code: "instance-locked", Err: fmt.Errorf("another process serves this instance: %w", err)}
	}
	if lost := lostLog(err); lost != nil {
		return nil, lost
	}
	if errors.Is(err, instance.ErrDemand) {
		return nil, demandProblem(i.Config.Dir, err)
	}
	if errors.Is(err, tilelog.ErrFrozen) {
		return nil, &verdict.Problem{Exit: verdict.ExitUsage, Subject: i.Config.Dir, Code: "configuration", Err: fmt.Errorf("a rotation was interrupted: %w", err), Try: "hallmark log rotate, once more"}
	}
	return nil, err
}

// lostLog is the refusal to begin a log anew that was lost, or to go on from an old copy of
// it; nil if err is another.
func lostLog(err error) error {
	if went := new(tilelog.WentBack); errors.As(err, &went) {
		return &verdict.Problem{
			Exit: verdict.ExitUsage, Subject: went.Dir, Code: "log-went-back", Err: err,
			Try: "put the newest directory of the log back; if it is lost, move this one away and hallmark log restore BACKUP " + verdict.Quoted(went.Dir),
		}
	}
	lost := new(tilelog.Lost)
	if !errors.As(err, &lost) {
		return nil
	}
	return &verdict.Problem{Exit: verdict.ExitUsage, Subject: lost.Dir, Code: "log-lost", Err: err, Try: "mount it; or hallmark log restore BACKUP " + verdict.Quoted(lost.Dir)}
}

// demandProblem returns the refusal of a configuration whose witnesses clients could not be
// told to demand.
func demandProblem(dir string, err error) *verdict.Problem {
	return &verdict.Problem{Exit: verdict.ExitUsage, Subject: dir, Code: "configuration", Err: err, Try: "docs/operating/witnesses.md"}
}
