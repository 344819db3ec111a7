package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/trust/store"
)

func trustCommand(env cli.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Manage the instances that this client trusts",
		Example: `  hallmark trust add https://sign.example.com
  hallmark trust list
  hallmark trust fingerprint my-instance`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(trustAddCommand(env), trustListCommand(env), trustFingerprintCommand(env), trustRemoveCommand(env))
	return cmd
}

// trustAddFlags are those of trust add.
type trustAddFlags struct {
	name, fingerprint string
	cacert            *string // nil: what is kept
	yes, isDefault    bool
	timeout           time.Duration
}

func trustAddCommand(env cli.Environment) *cobra.Command {
	var f trustAddFlags
	var cacert string
	cmd := &cobra.Command{
		Use:   "add URL",
		Short: "Fetch and pin what an instance publishes",
		Long: `Fetches the trusted root, the signing config and, if there is one, the log policy of an
instance, shows the fingerprint over all of them, and keeps them once you confirm.
From then on nothing is fetched: verifying uses what was pinned. The first instance
becomes the default one. Over plain HTTP to another machine, --fingerprint is required.

With --cacert FILE, the instance's TLS certificate may be of a private certificate
authority. It is kept with the instance, for sign, token, log and whatever else asks it,
and for the next trust add; --cacert '' forgets it.

Compare the fingerprint with the one that the operator reads to you from 'hallmark init',
'hallmark log rotate' or 'hallmark trust fingerprint DIR'. A fingerprint in the form that
builds before 2026-12 printed is accepted too.`,
		Example: `  hallmark trust add http://127.0.0.1:7500
  hallmark trust add https://sign.example.com --name work --fingerprint 9f86d081…
  hallmark trust add https://sign.corp.example --cacert corp-ca.pem`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("cacert") {
				f.cacert = &cacert
			}
			return f.run(cmd.Context(), env, strings.TrimSuffix(args[0], "/"))
		},
	}
	cmd.Flags().StringVar(&f.name, "name", "", "what to call the instance (default: its host)")
	cmd.Flags().StringVar(&f.fingerprint, "fingerprint", "", "accept exactly this fingerprint, without asking")
	cmd.Flags().StringVar(&cacert, "cacert", "", "PEM `FILE` with the certificate authority of the instance's TLS, besides the system's")
	cmd.Flags().BoolVar(&f.isDefault, "default", false, "make it the default instance even if there is one")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "accept whatever the connection brings, without asking")
	cli.AddTimeout(cmd, &f.timeout, 30*time.Second)
	return cmd
}

func (f trustAddFlags) run(ctx context.Context, env cli.Environment, url string) error {
	if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: url, Code: "usage", Err: errors.New("want the URL of an instance, with http:// or https://"), Try: env.Command() + " trust add https://" + url}
	}
	if f.fingerprint == "" && isPlainBeyondLoopback(url) {
		return &verdict.Problem{
			Exit: verdict.ExitUsage, Subject: url, Code: "plain-http", Try: "https://, or --fingerprint HEX, with what the operator tells you",
			Err: errors.New("over plain HTTP anybody on the way can put an instance of their own in the place of this one"),
		}
	}
	h, err := store.Open(env.Getenv)
	if err != nil {
		return err
	}
	if f.name == "" {
		f.name = store.Name(url)
	}
	if f.name == "" {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: url, Code: "usage", Err: errors.New("it is no URL, or names no host"), Try: env.Command() + " trust add https://HOST"}
	}
	dir, err := h.Instance(f.name)
	if err != nil {
		return err
	}
	authorities, err := f.authorities(dir)
	if err != nil {
		return err
	}
	var roots *x509.CertPool
	if authorities != nil {
		roots = withSystems(authorities)
	}
	m, err := fetchMaterial(ctx, env, url, roots, f.timeout)
	if err != nil {
		return err
	}
	if err := f.accept(ctx, env, url, dir, m); err != nil {
		return err
	}
	return f.keep(env, h, pin{dir: dir, url: url, material: m, authorities: authorities})
}

// fetchMaterial fetches what the instance at url publishes.
func fetchMaterial(ctx context.Context, env cli.Environment, url string, roots *x509.CertPool, timeout time.Duration) (*trust.Material, error) {
	m, err := client.Trust(ctx, env.HTTP(roots, timeout), url)
	if errors.Is(err, trust.ErrMalformed) {
		return nil, &verdict.Problem{Exit: verdict.ExitUndecided, Subject: url, Code: "trust-malformed", Err: err}
	}
	if err != nil {
		return nil, cli.About(url, err)
	}
	return m, nil
}

// authorities returns the certificate authorities that are given, or kept in dir.
func (f trustAddFlags) authorities(dir string) ([]byte, error) {
	switch {
	case f.cacert == nil:
		return authoritiesIn(dir)
	case *f.cacert == "":
		return nil, nil
	}
	_, kept, err := cli.ReadAuthorities(*f.cacert)
	return kept, err
}

// isPlainBeyondLoopback reports whether what comes from a URL may have been changed on the way.
func isPlainBeyondLoopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}

// accept has somebody vouch for what was fetched.
func (f trustAddFlags) accept(ctx context.Context, env cli.Environment, url, dir string, m *trust.Material) error {
	print := m.Fingerprint()
	env.Say("%s has the fingerprint\n  %s", url, print)
	env.Say("  which builds before 2026-12 show as\n  %s", m.OlderFingerprint())
	if all := m.SigningConfig.CertificateAuthorities; len(all) > 0 && all[0].URL != url {
		env.Say("  it has clients sign at %s", all[0].URL)
	}
	if m.LogPolicy != nil {
		env.Say("  it has you ask that its log is cosigned by %s", m.LogPolicy.Quorum.String())
	}
	question := fmt.Sprintf("Trust it as %s?", f.name)
	if pinned, err := store.Read(dir); err == nil && pinned.Fingerprint() != print {
		question = fmt.Sprintf("Replace the one that is pinned as %s?", f.name)
		env.Say("  another one is pinned as %s: %s", f.name, pinned.Fingerprint())
		env.Say("  what it has signed verifies with it alone; --name NAME keeps both")
		if pinned.LogPolicy != nil && m.LogPolicy == nil {
			env.Say("  which has you ask that its log is cosigned; this one does not")
		}
	}
	switch {
	case f.fingerprint != "":
		if !m.Matches(f.fingerprint) {
			return &verdict.Problem{Exit: verdict.ExitRefused, Subject: url, Code: "fingerprint-mismatch", Err: errors.New("the instance is not the one that was asked for"), Expected: f.fingerprint, Found: print}
		}
		return nil
	case f.yes:
		return nil
	}
	return env.Confirm(ctx, question, "--fingerprint HEX, with what the operator tells you")
}

// pin is what a client keeps of an instance.
type pin struct {
	dir, url    string
	material    *trust.Material
	authorities []byte // of its TLS certificate, PEM; nil: the system's
}

// files returns the contents of all files of the directory by name; nil where the pin has
// no such file.
func (p pin) files() map[string][]byte {
	all := map[string][]byte{store.AuthoritiesFile: p.authorities, store.URLFile: []byte(p.url + "\n")}
	for _, f := range trust.Files() {
		all[f.Name], _ = p.material.File(f.Name)
	}
	return all
}

// write replaces what is in the directory. Optional files of the instance that was pinned
// before count until the others are in place.
func (p pin) write() error {
	all := p.files()
	var batch durable.Batch
	for name, data := range all {
		if data == nil {
			continue
		}
		if err := batch.Write(filepath.Join(p.dir, name), data, 0o644); err != nil {
			return err
		}
	}
	if err := batch.Sync(); err != nil {
		return err
	}
	for name, data := range all {
		if data != nil {
			continue
		}
		if err := os.Remove(filepath.Join(p.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f trustAddFlags) keep(env cli.Environment, h store.Store, p pin) error {
	if err := p.write(); err != nil {
		return err
	}
	current, err := h.Default()
	if err != nil {
		return err
	}
	if current == "" || f.isDefault {
		if err := durable.WriteFile(h.DefaultFile(), []byte(f.name+"\n"), 0o644); err != nil {
			return err
		}
		current = f.name
	}
	if env.JSON {
		return env.PrintJSON(trustedInstance{f.name, p.url, p.material.Fingerprint(), f.name == current})
	}
	env.Say("trusted as %s; the default instance is %s", f.name, current)
	return nil
}

func trustListCommand(env cli.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the instances that this client trusts",
		Long:  "Prints each instance with its fingerprint and its URL; * marks the default one.",
		Example: `  hallmark trust list
  hallmark trust list --json`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			h, err := store.Open(env.Getenv)
			if err != nil {
				return err
			}
			names, err := h.List()
			if err != nil {
				return err
			}
			current, err := h.Default()
			if err != nil {
				return err
			}
			return listInstances(env, h, names, current)
		},
	}
	return cmd
}

// trustedInstance is an instance that the client trusts, for machines.
type trustedInstance struct {
	Name        string `json:"name"`
	URL         string `json:"url"`
	Fingerprint string `json:"fingerprint"`
	Default     bool   `json:"default"`
}

func listInstances(env cli.Environment, h store.Store, names []string, current string) error {
	for _, name := range names {
		dir, err := h.Instance(name)
		if err != nil {
			return err
		}
		m, err := store.Read(dir)
		if err != nil {
			return verdict.Unreadable(dir, err)
		}
		url, err := store.URL(dir, m)
		if err != nil {
			return err
		}
		if env.JSON {
			err = env.PrintJSON(trustedInstance{name, url, m.Fingerprint(), name == current})
		} else {
			mark := map[bool]string{true: "*", false: " "}[name == current]
			_, err = fmt.Fprintf(env.Stdout, "%s %-24s %s  %s\n", mark, name, m.Fingerprint(), url)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func trustRemoveCommand(env cli.Environment) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Trust an instance no more",
		Example: `  hallmark trust remove work`,
		Args:    cli.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return instances(env), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			h, err := store.Open(env.Getenv)
			if err != nil {
				return err
			}
			dir, err := h.Instance(args[0])
			if err != nil {
				return err
			}
			if _, err := os.Stat(dir); err != nil {
				return &verdict.Problem{Exit: verdict.ExitUndecided, Subject: args[0], Code: "no-instance", Err: errors.New("this client does not know the instance"), Try: env.Command() + " trust list"}
			}
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			if env.JSON {
				err = env.PrintJSON(map[string]string{"name": args[0], "done": "removed"})
			} else {
				env.Say("%s is trusted no more", args[0])
			}
			if current, none := h.Default(); err != nil || none != nil || current != args[0] {
				return errors.Join(err, none)
			}
			env.Say("it was the default: choose another with --instance, or make one with trust add --default")
			return os.Remove(h.DefaultFile())
		},
	}
}
