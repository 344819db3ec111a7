// SPDX-License-Identifier: Apache-2.0

package readlog

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/trusting"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// Flags holds the settings for reading a log, and its key.
type Flags struct {
	Trust   trusting.Selection
	Key     string // verifier key or PEM file; empty: those in the trusted root
	Origin  string // first line of checkpoints; empty: the name in Key
	Timeout time.Duration
}

// An openLog is a log with its checkpoint.
type openLog struct {
	*logread.Log
	name string // as the user gave it
	head *logread.Head
}

// open reads and verifies the log's checkpoint.
func (f Flags) open(ctx context.Context, env cli.Environment, name string) (*openLog, error) {
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
	h, err := f.Trust.HTTP(env, f.Timeout)
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

// rekorPrefix is the path of the files of a Rekor v2 log, below its base URL.
const rekorPrefix = "/api/v2"

// keys returns the keys of which the log must have one.
func (f Flags) keys(env cli.Environment) ([]logread.Key, error) {
	if f.Key == "" {
		root, err := f.Trust.Root(env)
		if err != nil {
			return nil, err
		}
		keys, err := logread.KeysOf(root)
		if err != nil {
			return nil, &fault.Problem{Exit: fault.ExitUsage, Code: "unreadable", Err: err}
		}
		return keys, nil
	}
	if _, err := os.Stat(f.Key); err != nil && strings.Contains(f.Key, "+") {
		return f.verifierKey(f.Key)
	}
	raw, err := find.ReadFile(f.Key, 1<<20)
	if err != nil {
		return nil, err
	}
	if text := strings.TrimSpace(string(raw)); !strings.Contains(text, "-----BEGIN") {
		return f.verifierKey(text)
	}
	if f.Origin == "" {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Err: errors.New("--origin is needed with a PEM file: it has no name of the log")}
	}
	key, err := cli.ReadPublicKey(f.Key)
	if err != nil {
		return nil, err
	}
	keys, err := logread.KeysFor(f.Origin, key)
	if err != nil {
		return nil, fault.Unreadable(f.Key, err)
	}
	return keys, nil
}

// verifierKey parses a verifier key, which does not say the format of its log.
func (f Flags) verifierKey(text string) ([]logread.Key, error) {
	key, err := checkpoint.ParseKey(text)
	if err == nil && key.Cosigning {
		err = errors.New("it is the key of a witness")
	}
	if err != nil {
		return nil, fault.Unreadable("--log-key", err)
	}
	verifier, err := key.Verifier()
	if err != nil {
		return nil, fault.Unreadable("--log-key", err)
	}
	origin := key.Name
	if f.Origin != "" {
		origin = f.Origin
	}
	return []logread.Key{{Origin: origin, Verifier: verifier, Format: logread.Tiles()}}, nil
}
