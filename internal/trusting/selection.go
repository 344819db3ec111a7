// SPDX-License-Identifier: Apache-2.0

package trusting

import (
	"errors"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/trust/store"
	"github.com/hallmark-sign/hallmark/verify"
)

// A Selection selects the instance that a verb works with, or files of one.
type Selection struct {
	Instance      string // name; empty: HALLMARK_INSTANCE, then the default one
	TrustedRoot   string // file to use instead of the instance's; empty: the instance's
	Whole         bool   // TrustedRoot lies beside all that its instance publishes
	SigningConfig string // likewise
	LogPolicy     string // likewise
	CACert        string // PEM file with the certificate authority of its TLS; empty: what was pinned
}

// Root reads the trusted root that f selects.
func (f Selection) Root(env cli.Environment) (*trust.Root, error) {
	path, err := f.RootPath(env)
	if err != nil {
		return nil, err
	}
	return find.Parsed(path, trust.MaxSize, trust.Parse)
}

// Verifier returns a verifier with the trusted root, and what is known beside the root.
func (f Selection) Verifier(env cli.Environment) (*verify.Verifier, policy.Facts, error) {
	path, facts, err := f.facts(env)
	if err != nil {
		return nil, facts, err
	}
	root, err := find.Parsed(path, trust.MaxSize, trust.Parse)
	if err != nil {
		return nil, facts, err
	}
	v, err := verify.New(root)
	return v, facts, err
}

// facts returns the path of the trusted root, and what is known beside it.
func (f Selection) facts(env cli.Environment) (path string, facts policy.Facts, err error) {
	if path, err = f.RootPath(env); err != nil {
		return "", facts, err
	}
	facts, err = judge.Facts(path, f.LogPolicy, f.TrustedRoot == "" || f.Whole)
	return path, facts, err
}

// RootPath returns the path of the trusted root.
func (f Selection) RootPath(env cli.Environment) (string, error) {
	return f.Path(env, f.TrustedRoot, trust.RootFile)
}

// Config reads the signing config that f selects.
func (f Selection) Config(env cli.Environment) (*trust.SigningConfig, error) {
	path, err := f.Path(env, f.SigningConfig, trust.SigningConfigFile)
	if err != nil {
		return nil, err
	}
	return find.Parsed(path, trust.MaxSize, trust.ParseSigningConfig)
}

// Path returns the path of a trust file: given, or if that is empty the file of the
// instance.
func (f Selection) Path(env cli.Environment, given, name string) (string, error) {
	if given != "" {
		return given, nil
	}
	dir, err := f.dir(env)
	if err != nil {
		return "", err
	}
	path, err := store.File(dir, name)
	return path, withRemedy(err)
}

// dir returns the directory of the selected instance, which need not exist.
func (f Selection) dir(env cli.Environment) (string, error) {
	h, err := store.Open(env.Getenv)
	if err != nil {
		return "", err
	}
	dir, err := h.Select(f.Instance, env.Getenv)
	return dir, withRemedy(err)
}

// withRemedy returns the problem for an instance that is missing, and other errors unchanged.
func withRemedy(err error) error {
	missing := new(store.NoInstance)
	if !errors.As(err, &missing) {
		return err
	}
	p := &fault.Problem{Exit: fault.ExitUndecided, Code: "no-instance", Err: err}
	switch {
	case missing.Name != "":
		return p
	case len(missing.Pinned) > 0:
		return p.With("choose", strings.Join(missing.Pinned, ", "))
	}
	return p.With("add")
}
