// SPDX-License-Identifier: Apache-2.0

package ownlog

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/ctlog"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/logbackup"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// A Log is a log of an instance on this machine.
type Log struct {
	logbackup.Log
	dir  string           // below the instance's directory
	isCT bool             // otherwise a transparency log
	key  crypto.PublicKey // the key in the trusted root
}

// Logs holds all logs of an instance, according to its trusted root. Reading them needs no
// passphrase.
type Logs struct {
	Config *config.Config
	Root   *trust.Root
	all    []Log
}

// IsInstance reports whether dir is the directory of an instance, rather than of one
// of its logs.
func IsInstance(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, config.File))
	return err == nil
}

// Open reads the given configuration, or that of the instance that contains dir, a log's
// directory.
func Open(given, dir string) (*Logs, error) {
	if given == "" {
		given = filepath.Dir(filepath.Clean(dir))
	}
	o := new(Logs)
	var err error
	if o.Config, err = config.Load(config.Find(given)); err != nil {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: given, Code: "configuration", Err: err, Remedy: "config"}
	}
	path := o.Config.Path("trust", trust.RootFile)
	if o.Root, err = find.Parsed(path, trust.MaxSize, trust.Parse); err != nil {
		return nil, err
	}
	if err = o.list(); err != nil {
		return nil, fault.Unreadable(path, err)
	}
	return o, nil
}

// list reads the logs of the trusted root.
func (o *Logs) list() error {
	for n, l := range o.Root.Logs {
		one := Log{dir: config.LogName(n), key: l.Key}
		one.Origin, one.Format = config.Hostname(l.BaseURL), tilelog.EntryBundles()
		verifier, err := checkpoint.NewVerifier(one.Origin, l.Key)
		if err != nil {
			return err
		}
		one.Verifiers = []note.Verifier{verifier}
		o.all = append(o.all, one)
	}
	if o.Config.Witnesses != nil && len(o.all) > 0 {
		current := &o.all[len(o.all)-1]
		key, err := instance.PublishedLogKey(o.Config)
		if err != nil {
			return err
		}
		verifier, err := key.Verifier()
		if err != nil {
			return err
		}
		current.Verifiers = append(current.Verifiers, verifier)
	}
	for _, l := range o.Root.CTLogs {
		one := Log{dir: "ct", key: l.Key, isCT: true}
		one.Origin, one.Format = o.Config.Host()+"/ct", ctlog.DataTiles()
		verifier, err := checkpoint.NewTreeHeadVerifier(one.Origin, l.Key)
		if err != nil {
			return err
		}
		one.Verifiers = []note.Verifier{verifier}
		o.all = append(o.all, one)
	}
	return nil
}

// Open reads the checkpoint in dir, and returns the log of the instance that it belongs to.
func (o *Logs) Open(dir string) (*logbackup.Tree, Log, error) {
	err := error(logbackup.ErrOtherLog)
	for _, one := range o.all {
		var tree *logbackup.Tree
		if tree, err = logbackup.Open(durable.OS{}, dir, one.Log); err == nil {
			return tree, one, nil
		}
		if !errors.Is(err, logbackup.ErrOtherLog) {
			return nil, Log{}, Problem(dir, err)
		}
	}
	return nil, Log{}, Problem(dir, fmt.Errorf("it is of no log of %s: %w", o.Config.URL, err))
}

// Problem returns the problem for an error of package logbackup.
func Problem(subject string, err error) error {
	switch {
	case errors.Is(err, durable.ErrLocked):
		return &fault.Problem{Exit: fault.ExitUndecided, Subject: subject, Code: "instance-locked", Err: fmt.Errorf("another backup is being made there: %w", err)}
	case errors.Is(err, logread.ErrDamaged):
		return &fault.Problem{Exit: fault.ExitRefused, Subject: subject, Code: "log-damaged", Err: err, Remedy: "check"}
	case errors.Is(err, logbackup.ErrOtherLog):
		return &fault.Problem{Exit: fault.ExitRefused, Subject: subject, Code: "other-log", Err: err}
	case errors.Is(err, fs.ErrNotExist):
		return fault.Unreadable(subject, fmt.Errorf("there is no log: %w", err))
	case errors.Is(err, fs.ErrExist):
		return &fault.Problem{Exit: fault.ExitRefused, Subject: subject, Code: "exists", Err: err}
	}
	return err
}
