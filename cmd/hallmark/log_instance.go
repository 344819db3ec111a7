package main

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/ctlog"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/logbackup"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// ownLog is a log of an instance on this machine.
type ownLog struct {
	logbackup.Log
	dir  string           // in that of the instance
	isCT bool             // otherwise a transparency log
	key  crypto.PublicKey // that all clients know it by
}

// ownLogs are all of an instance, by what its trusted root says of them: no passphrase is
// needed.
type ownLogs struct {
	config *config.Config
	root   *trust.Root
	all    []ownLog
}

// isInstance says whether dir is that of an instance, rather than of one of its logs.
func isInstance(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, config.File))
	return err == nil
}

// openLogs reads the configuration given, or that of the instance that dir, a log's, is in.
func openLogs(given, dir string) (*ownLogs, error) {
	if given == "" {
		given = filepath.Dir(filepath.Clean(dir))
	}
	o := new(ownLogs)
	var err error
	if o.config, err = config.Load(config.Find(given)); err != nil {
		return nil, &verdict.Problem{Exit: verdict.ExitUsage, Subject: given, Code: "configuration", Err: err, Try: "-c DIR, of the instance"}
	}
	path := o.config.Path("trust", trust.RootFile)
	raw, err := verdict.ReadFile(path, trust.MaxSize)
	if err != nil {
		return nil, err
	}
	if o.root, err = trust.Parse(raw); err == nil {
		err = o.list()
	}
	if err != nil {
		return nil, verdict.Unreadable(path, err)
	}
	return o, nil
}

// list finds the logs of the trusted root.
func (o *ownLogs) list() error {
	for n, l := range o.root.Logs {
		one := ownLog{dir: config.LogName(n), key: l.Key}
		one.Origin, one.Format = config.Hostname(l.BaseURL), tilelog.EntryBundles()
		verifier, err := checkpoint.NewVerifier(one.Origin, l.Key)
		if err != nil {
			return err
		}
		one.Verifiers = []note.Verifier{verifier}
		o.all = append(o.all, one)
	}
	if o.config.Witnesses != nil && len(o.all) > 0 {
		current := &o.all[len(o.all)-1]
		verifier, err := o.noteKey()
		if err != nil {
			return err
		}
		current.Verifiers = append(current.Verifiers, verifier)
	}
	for _, l := range o.root.CTLogs {
		one := ownLog{dir: "ct", key: l.Key, isCT: true}
		one.Origin, one.Format = o.config.Host()+"/ct", ctlog.DataTiles()
		verifier, err := checkpoint.NewTreeHeadVerifier(one.Origin, l.Key)
		if err != nil {
			return err
		}
		one.Verifiers = []note.Verifier{verifier}
		o.all = append(o.all, one)
	}
	return nil
}

// noteKey is the key by which witnesses know the log that takes entries.
func (o *ownLogs) noteKey() (note.Verifier, error) {
	raw, err := os.ReadFile(o.config.Path("trust", trust.LogKeyFile))
	if err != nil {
		return nil, err
	}
	key, err := checkpoint.ParseKey(strings.TrimSpace(string(raw)))
	if err != nil {
		return nil, err
	}
	return key.Verifier()
}

// open reads the checkpoint in dir, and says which log of the instance it is of.
func (o *ownLogs) open(dir string) (*logbackup.Tree, ownLog, error) {
	err := error(logbackup.ErrOtherLog)
	for _, one := range o.all {
		var tree *logbackup.Tree
		if tree, err = logbackup.Open(durable.OS{}, dir, one.Log); err == nil {
			return tree, one, nil
		}
		if !errors.Is(err, logbackup.ErrOtherLog) {
			return nil, ownLog{}, logProblem(dir, err)
		}
	}
	return nil, ownLog{}, logProblem(dir, fmt.Errorf("it is of no log of %s: %w", o.config.URL, err))
}

// logProblem is an error of package logbackup.
func logProblem(subject string, err error) error {
	switch {
	case errors.Is(err, durable.ErrLocked):
		return &verdict.Problem{Exit: verdict.ExitUndecided, Subject: subject, Code: "instance-locked", Err: fmt.Errorf("another backup is being made there: %w", err)}
	case errors.Is(err, logread.ErrDamaged):
		return &verdict.Problem{Exit: verdict.ExitRefused, Subject: subject, Code: "log-damaged", Err: err, Try: "hallmark log check " + verdict.Quoted(subject)}
	case errors.Is(err, logbackup.ErrOtherLog):
		return &verdict.Problem{Exit: verdict.ExitRefused, Subject: subject, Code: "other-log", Err: err, Try: "another directory; nothing was changed"}
	case errors.Is(err, fs.ErrNotExist):
		return verdict.Unreadable(subject, fmt.Errorf("there is no log: %w", err))
	case errors.Is(err, fs.ErrExist):
		return &verdict.Problem{Exit: verdict.ExitRefused, Subject: subject, Code: "exists", Err: err, Try: "choose another DIR; nothing was changed"}
	}
	return err
}
