// SPDX-License-Identifier: Apache-2.0

package trusting

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/ownlog"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/trust/store"
)

// A Reading reads what an instance publishes and pins nothing.
type Reading struct {
	CACert  string // PEM file with the certificate authority of the TLS of a URL; empty: what was pinned
	Timeout time.Duration
}

// Fingerprint prints the fingerprint of what an instance publishes.
func (f Reading) Fingerprint(ctx context.Context, env cli.Environment, instance string) error {
	m, err := f.material(ctx, env, instance)
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(struct {
			Fingerprint string `json:"fingerprint"`
		}{m.Fingerprint()})
	}
	_, err = fmt.Fprintln(env.Stdout, m.Fingerprint())
	return err
}

// material reads or fetches what an instance publishes. A pinned instance takes precedence
// over a directory of the same name, which an unpacked archive could have created.
func (f Reading) material(ctx context.Context, env cli.Environment, instance string) (*trust.Material, error) {
	if strings.HasPrefix(instance, "https://") || strings.HasPrefix(instance, "http://") {
		return f.fetch(ctx, env, strings.TrimSuffix(instance, "/"))
	}
	h, err := store.Open(env.Getenv)
	if err != nil {
		return nil, err
	}
	names, err := h.List()
	if err != nil {
		return nil, err
	}
	dir, isDir := instance, ownlog.IsDirectory(instance)
	switch {
	case slices.Contains(names, instance):
		if isDir {
			env.Say("this is what is pinned as %s; write ./%s for the directory", instance, instance)
		}
		if dir, err = h.Instance(instance); err != nil {
			return nil, err
		}
	case !isDir:
		return nil, &fault.Problem{Exit: fault.ExitUndecided, Subject: instance, Code: "no-instance", Err: errors.New("it is neither a pinned instance nor a directory")}
	case ownlog.IsInstance(dir):
		dir = filepath.Join(dir, "trust")
	}
	m, err := store.Read(dir)
	if err != nil {
		return nil, fault.Unreadable(dir, err)
	}
	return m, nil
}

// fetch fetches from a URL, with the certificate authority given or the one stored with the
// instance of the same host.
func (f Reading) fetch(ctx context.Context, env cli.Environment, url string) (*trust.Material, error) {
	flags := Selection{CACert: f.CACert, Instance: store.Name(url)}
	var roots *x509.CertPool
	if f.CACert != "" || flags.Instance != "" {
		var err error
		if roots, err = flags.Authorities(env); err != nil {
			return nil, err
		}
	}
	return fetchMaterial(ctx, env, url, roots, f.Timeout)
}
