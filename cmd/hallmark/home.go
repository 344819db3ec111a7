package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/trust"
)

// home is what this client remembers:
//
//	HOME/default                 name of the default instance
//	HOME/instances/NAME/FILE     each of trust.Files, pinned by hallmark trust add
//	HOME/instances/NAME/url      from where it was fetched; builds before 2026-12 wrote none
//	HOME/instances/NAME/ca.pem   where its TLS certificate is of a private authority
type home struct{ dir string }

func openHome(env cli.Environment) (home, error) {
	if dir := env.Getenv("HALLMARK_HOME"); dir != "" {
		return home{dir}, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return home{}, fmt.Errorf("finding the configuration folder: %w; set HALLMARK_HOME", err)
	}
	return home{filepath.Join(dir, "hallmark")}, nil
}

// isInstanceName keeps names from being paths.
func isInstanceName(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return name != "" && len(name) <= 100 && strings.Contains(letters, name[:1]) && strings.Trim(name, letters+"._-") == ""
}

func (h home) instance(name string) (string, error) {
	if !isInstanceName(name) {
		return "", &verdict.Problem{Exit: verdict.ExitUsage, Code: "usage", Err: fmt.Errorf("%q is not a name of an instance: want letters, digits, dots, dashes", name)}
	}
	return filepath.Join(h.dir, "instances", name), nil
}

// defaultInstance is "" when there is none.
func (h home) defaultInstance() (string, error) {
	raw, err := os.ReadFile(filepath.Join(h.dir, "default"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(raw)), err
}

func (h home) setDefault(name string) error {
	return durable.WriteFile(filepath.Join(h.dir, "default"), []byte(name+"\n"), 0o644)
}

// list gives the names of all instances.
func (h home) list() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(h.dir, "instances"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && isInstanceName(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

// urlFile has the URL from which an instance was pinned, beside its trusted root.
const urlFile = "url"

// pinnedIn reads what is pinned in the directory of an instance.
func pinnedIn(dir string) (*trust.Material, error) { return trust.ReadMaterial(os.DirFS(dir)) }

// urlIn returns the URL from which m was pinned in dir. For pins without one, it returns
// the URL of the certificate authority, which is the instance's where it is of hallmark.
func urlIn(dir string, m *trust.Material) (string, error) {
	raw, err := verdict.ReadFile(filepath.Join(dir, urlFile), maxURL)
	if all := m.SigningConfig.CertificateAuthorities; errors.Is(err, fs.ErrNotExist) && len(all) > 0 {
		return all[0].URL, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return strings.TrimSpace(string(raw)), nil
}

// maxURL is how many bytes of urlFile are read.
const maxURL = 8 << 10

// nameOf is what an instance is called when nobody says otherwise: its host, with
// the port if it has one.
func nameOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return strings.Trim(strings.NewReplacer(":", "-", "[", "", "]", "").Replace(u.Host), "-.")
}

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
	h, err := openHome(env)
	if err != nil {
		return "", err
	}
	instance := f.instance
	if instance == "" {
		instance = env.Getenv("HALLMARK_INSTANCE")
	}
	if instance == "" {
		if instance, err = h.defaultInstance(); err != nil {
			return "", err
		}
	}
	if names, err := h.list(); instance == "" && err == nil && len(names) > 0 {
		return "", &verdict.Problem{Exit: verdict.ExitUndecided, Code: "no-instance", Err: errors.New("there is no default instance"), Try: "--instance NAME, one of: " + strings.Join(names, ", ")}
	}
	if instance == "" {
		return "", &verdict.Problem{Exit: verdict.ExitUndecided, Code: "no-instance", Err: errors.New("this client trusts no instance yet"), Try: env.Command() + " trust add URL"}
	}
	return h.instance(instance)
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
	h, err := openHome(env)
	if err != nil {
		return nil
	}
	names, _ := h.list()
	return names
}
