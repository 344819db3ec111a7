// SPDX-License-Identifier: Apache-2.0

package trusting

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/trust/store"
)

// A Selection selects the instance that a verb works with, or files of one.
type Selection struct {
	Instance      string // name; empty: HALLMARK_INSTANCE, then the default one
	TrustedRoot   string // file to use instead of the instance's; empty: the instance's
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
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", &fault.Problem{Exit: fault.ExitUndecided, Code: "no-instance", Err: fmt.Errorf("this client does not know the instance %s", filepath.Base(dir)), Try: env.Command() + " trust list"}
	}
	return path, nil
}

// dir returns the directory of the selected instance, which need not exist.
func (f Selection) dir(env cli.Environment) (string, error) {
	h, err := store.Open(env.Getenv)
	if err != nil {
		return "", err
	}
	instance := f.Instance
	if instance == "" {
		instance = env.Getenv("HALLMARK_INSTANCE")
	}
	if instance == "" {
		if instance, err = h.Default(); err != nil {
			return "", err
		}
	}
	if names, err := h.List(); instance == "" && err == nil && len(names) > 0 {
		return "", &fault.Problem{Exit: fault.ExitUndecided, Code: "no-instance", Err: errors.New("there is no default instance"), Try: "--instance NAME, one of: " + strings.Join(names, ", ")}
	}
	if instance == "" {
		return "", &fault.Problem{Exit: fault.ExitUndecided, Code: "no-instance", Err: errors.New("this client trusts no instance yet"), Try: env.Command() + " trust add URL"}
	}
	return h.Instance(instance)
}
