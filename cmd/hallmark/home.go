package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/trust/store"
)

// trustFlags select the instance that a verb works with.
type trustFlags struct {
	instance, trustedRoot, signingConfig, logPolicy, cacert string
}

func (f *trustFlags) add(cmd *cobra.Command, signing bool) {
	cmd.Flags().StringVar(&f.instance, "instance", "", "instance to use, one of 'hallmark trust list' (default: HALLMARK_INSTANCE, then the default one)")
	cmd.Flags().StringVar(&f.trustedRoot, "trusted-root", "", "trusted root `FILE` to use instead of an instance's")
	if signing {
		cmd.Flags().StringVar(&f.signingConfig, "signing-config", "", "signing config `FILE` to use instead of an instance's")
	}
}

// addLogPolicy is for verbs that hold bundles to what an instance demands.
func (f *trustFlags) addLogPolicy(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.logPolicy, "log-policy", "", "log policy `FILE` (C2SP tlog-policy): witnesses that must have cosigned the logs (default: log_policy beside the trusted root, if there is one)")
}

// root reads the trusted root that the flags select.
func (f trustFlags) root(env cli.Environment) (*trust.Root, error) {
	path, err := f.rootPath(env)
	if err != nil {
		return nil, err
	}
	raw, err := verdict.ReadFile(path, trust.MaxSize)
	if err != nil {
		return nil, err
	}
	root, err := trust.Parse(raw)
	if err != nil {
		return nil, verdict.Unreadable(path, err)
	}
	return root, nil
}

func (f trustFlags) rootPath(env cli.Environment) (string, error) {
	return f.path(env, f.trustedRoot, trust.RootFile)
}

// config reads the signing config that the flags select.
func (f trustFlags) config(env cli.Environment) (*trust.SigningConfig, error) {
	path, err := f.path(env, f.signingConfig, trust.SigningConfigFile)
	if err != nil {
		return nil, err
	}
	raw, err := verdict.ReadFile(path, trust.MaxSize)
	if err != nil {
		return nil, err
	}
	config, err := trust.ParseSigningConfig(raw)
	if err != nil {
		return nil, verdict.Unreadable(path, err)
	}
	return config, nil
}

// path finds a trust file: the one given, else that of the instance.
func (f trustFlags) path(env cli.Environment, given, name string) (string, error) {
	if given != "" {
		return given, nil
	}
	dir, err := f.dir(env)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", &verdict.Problem{Exit: verdict.ExitUndecided, Code: "no-instance", Err: fmt.Errorf("this client does not know the instance %s", filepath.Base(dir)), Try: env.Command() + " trust list"}
	}
	return path, nil
}

// dir is the directory of the instance that the flags select, which may not be there.
func (f trustFlags) dir(env cli.Environment) (string, error) {
	h, err := store.Open(env.Getenv)
	if err != nil {
		return "", err
	}
	instance := f.instance
	if instance == "" {
		instance = env.Getenv("HALLMARK_INSTANCE")
	}
	if instance == "" {
		if instance, err = h.Default(); err != nil {
			return "", err
		}
	}
	if names, err := h.List(); instance == "" && err == nil && len(names) > 0 {
		return "", &verdict.Problem{Exit: verdict.ExitUndecided, Code: "no-instance", Err: errors.New("there is no default instance"), Try: "--instance NAME, one of: " + strings.Join(names, ", ")}
	}
	if instance == "" {
		return "", &verdict.Problem{Exit: verdict.ExitUndecided, Code: "no-instance", Err: errors.New("this client trusts no instance yet"), Try: env.Command() + " trust add URL"}
	}
	return h.Instance(instance)
}

// completeInstances has shells offer the instances wherever one is chosen.
func completeInstances(cmd *cobra.Command, env cli.Environment) {
	if cmd.Flags().Lookup("instance") != nil {
		cli.CompleteFrom(cmd, "instance", func() []string { return instances(env) })
	}
	for _, sub := range cmd.Commands() {
		completeInstances(sub, env)
	}
}

// instances are the names of the instances that the client trusts, for shells.
func instances(env cli.Environment) []string {
	h, err := store.Open(env.Getenv)
	if err != nil {
		return nil
	}
	names, _ := h.List()
	return names
}
