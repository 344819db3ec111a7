package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/ownlog"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// logFlags are those of every verb about a log.
type logFlags struct {
	trust       trustFlags
	key, origin string
	timeout     time.Duration
}

func (f *logFlags) add(cmd *cobra.Command) {
	f.trust.add(cmd, false)
	f.trust.addCACert(cmd)
	cmd.Flags().StringVar(&f.key, "log-key", "", "the log's `KEY` instead of a trusted root: a verifier key (name+id+key), or a PEM file with --origin")
	cmd.Flags().StringVar(&f.origin, "origin", "", "first `LINE` of the log's checkpoints (default: the name in --log-key)")
	cli.AddTimeout(cmd, &f.timeout, time.Minute)
}

// openLog is a log with its checkpoint.
type openLog struct {
	*logread.Log
	name string // as the user gave it
	head *logread.Head
}

// open reads and verifies the log's checkpoint.
func (f logFlags) open(ctx context.Context, env cli.Environment, name string) (*openLog, error) {
	l := &openLog{Log: new(logread.Log), name: name}
	var err error
	if l.Keys, err = f.keys(env); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(name, "http://") && !strings.HasPrefix(name, "https://") {
		l.Source = logread.Dir(name)
		l.head, err = l.Head(ctx)
		return l, l.problem(env, err)
	}
	h, err := f.trust.HTTP(env, f.timeout)
	if err != nil {
		return nil, err
	}
	source := logread.HTTP{URL: strings.TrimRight(name, "/"), Client: h}
	l.Source = source
	if l.head, err = l.Head(ctx); errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(source.URL, rekorPrefix) {
		l.Source = logread.HTTP{URL: source.URL + rekorPrefix, Client: h}
		l.head, err = l.Head(ctx)
	}
	return l, l.problem(env, err)
}

// rekorPrefix is where a Rekor v2 log has its files, below its base URL.
const rekorPrefix = "/api/v2"

// keys are those that the log may be known by.
func (f logFlags) keys(env cli.Environment) ([]logread.Key, error) {
	if f.key == "" {
		root, err := f.trust.Root(env)
		if err != nil {
			return nil, err
		}
		keys, err := logread.KeysOf(root)
		if err != nil {
			return nil, &verdict.Problem{Exit: verdict.ExitUsage, Code: "unreadable", Err: err}
		}
		return keys, nil
	}
	if _, err := os.Stat(f.key); err != nil && strings.Contains(f.key, "+") {
		return f.verifierKey(f.key)
	}
	raw, err := verdict.ReadFile(f.key, 1<<20)
	if err != nil {
		return nil, err
	}
	if text := strings.TrimSpace(string(raw)); !strings.Contains(text, "-----BEGIN") {
		return f.verifierKey(text)
	}
	if f.origin == "" {
		return nil, &verdict.Problem{Exit: verdict.ExitUsage, Code: "usage", Err: errors.New("--origin is needed with a PEM file: it has no name of the log")}
	}
	key, err := readPublicKey(f.key)
	if err != nil {
		return nil, err
	}
	keys, err := logread.KeysFor(f.origin, key)
	if err != nil {
		return nil, verdict.Unreadable(f.key, err)
	}
	return keys, nil
}

// verifierKey is the key of a log of any format: it does not say which.
func (f logFlags) verifierKey(text string) ([]logread.Key, error) {
	key, err := checkpoint.ParseKey(text)
	if err == nil && key.Cosigning {
		err = errors.New("it is the key of a witness")
	}
	if err != nil {
		return nil, verdict.Unreadable("--log-key", err)
	}
	verifier, err := key.Verifier()
	if err != nil {
		return nil, verdict.Unreadable("--log-key", err)
	}
	origin := key.Name
	if f.origin != "" {
		origin = f.origin
	}
	return []logread.Key{{Origin: origin, Verifier: verifier, Format: logread.Tiles()}}, nil
}

// problem is an error of package logread as people see it.
func (l *openLog) problem(env cli.Environment, err error) error {
	dir, isDir := l.Source.(logread.Dir)
	fork := new(logread.Fork)
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, new(*verdict.Problem)):
		return err
	case errors.As(err, &fork):
		return &verdict.Problem{Exit: verdict.ExitRefused, Subject: l.name, Code: "log-forked", Err: err, Expected: headText(fork.Old), Found: headText(fork.New)}
	case errors.Is(err, logread.ErrDamaged):
		return &verdict.Problem{Exit: verdict.ExitRefused, Subject: l.name, Code: "log-damaged", Err: err, Try: env.Command() + " log check " + verdict.Quoted(l.name)}
	case errors.Is(err, logread.ErrCheckpoint):
		return &verdict.Problem{Exit: verdict.ExitRefused, Subject: l.name, Code: "checkpoint-invalid", Err: err}
	case errors.Is(err, logread.ErrUnknown):
		return &verdict.Problem{Exit: verdict.ExitUndecided, Subject: l.name, Code: "log-key-missing", Err: err, Try: "--instance NAME, --trusted-root FILE, or --log-key KEY --origin LINE"}
	case errors.Is(err, logread.ErrBehind):
		return &verdict.Problem{Exit: verdict.ExitUndecided, Subject: l.name, Code: "log-behind", Err: err}
	case isDir && errors.Is(err, fs.ErrNotExist) && ownlog.IsDirectory(filepath.Join(string(dir), "tile")):
		return &verdict.Problem{Exit: verdict.ExitRefused, Subject: l.name, Code: "log-damaged", Err: errors.New("its checkpoint is missing")}
	case isDir && errors.Is(err, fs.ErrNotExist) && ownlog.IsDirectory(filepath.Join(string(dir), "rekor")):
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: l.name, Code: "unreadable", Err: errors.New("it is an instance, not a log"), Try: "its logs: rekor and ct in it"}
	case isDir && errors.Is(err, fs.ErrNotExist):
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: l.name, Code: "unreadable", Err: err, Try: "a directory with a log, or a URL: https://HOST"}
	}
	return &verdict.Problem{Exit: verdict.ExitUndecided, Subject: l.name, Code: "could-not-look", Err: err}
}

// headText is a checkpoint on one line.
func headText(h *logread.Head) string {
	return fmt.Sprintf("%s with root %v", cli.Counted(h.Size, "entry", "entries"), h.Root)
}

// number reads a size or an index.
func number(cmd *cobra.Command, text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 60)
	if err != nil {
		return 0, cli.UsageError(cmd, fmt.Errorf("%q is no number of entries", text))
	}
	return n, nil
}
