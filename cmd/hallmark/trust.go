package main

import (
	"context"
	"crypto/subtle"
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
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

func trustCommand(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Manage the instances that this client trusts",
		Example: `  hallmark trust add https://sign.example.com
  hallmark trust list`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(trustAddCommand(env), trustListCommand(env), trustRemoveCommand(env))
	return cmd
}

// trustAddFlags are those of trust add.
type trustAddFlags struct {
	name, fingerprint string
	cacert            *string // nil: what is kept
	yes, isDefault    bool
	timeout           time.Duration
}

func trustAddCommand(env environment) *cobra.Command {
	var f trustAddFlags
	var cacert string
	cmd := &cobra.Command{
		Use:   "add URL",
		Short: "Fetch and pin the trusted root and signing config of an instance",
		Long: `Fetches what an instance publishes, shows its fingerprint, and keeps it once you confirm.
From then on nothing is fetched: verifying uses what was pinned. The first instance
becomes the default one. Over plain HTTP to another machine, --fingerprint is required.

With --cacert FILE, the instance's TLS certificate may be of a private certificate
authority. It is kept with the instance, for sign, token, log and whatever else asks it,
and for the next trust add; --cacert '' forgets it.

Compare the fingerprint with what the operator reads to you from 'hallmark init', or
from: cat trust/trusted_root.json trust/signing_config.v0.2.json trust/log_policy | sha256sum
(the last where the instance has one: which witnesses must have cosigned its log).`,
		Example: `  hallmark trust add http://127.0.0.1:7500
  hallmark trust add https://sign.example.com --name work --fingerprint 9f86d081…
  hallmark trust add https://sign.corp.example --cacert corp-ca.pem`,
		Args: usageArgs(cobra.ExactArgs(1)),
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
	addTimeout(cmd, &f.timeout, 30*time.Second)
	return cmd
}

func (f trustAddFlags) run(ctx context.Context, env environment, url string) error {
	if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		return &problem{Exit: exitUsage, Subject: url, Code: "usage", Err: errors.New("want the URL of an instance, with http:// or https://"), Try: env.command() + " trust add https://" + url}
	}
	if f.fingerprint == "" && isPlainBeyondLoopback(url) {
		return &problem{
			Exit: exitUsage, Subject: url, Code: "plain-http", Try: "https://, or --fingerprint HEX, with what the operator tells you",
			Err: errors.New("over plain HTTP anybody on the way can put an instance of their own in the place of this one"),
		}
	}
	h, err := env.home()
	if err != nil {
		return err
	}
	if f.name == "" {
		f.name = nameOf(url)
	}
	if f.name == "" {
		return &problem{Exit: exitUsage, Subject: url, Code: "usage", Err: errors.New("it is no URL, or names no host"), Try: env.command() + " trust add https://HOST"}
	}
	dir, err := h.instance(f.name)
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
	files, err := client.Trust(ctx, env.http(roots, f.timeout), url)
	if errors.Is(err, trust.ErrMalformed) || errors.Is(err, checkpoint.ErrWitnessPolicy) {
		return &problem{Exit: exitUndecided, Subject: url, Code: "trust-malformed", Err: err}
	}
	if err != nil {
		return about(url, err)
	}
	if err := f.accept(ctx, env, url, dir, files); err != nil {
		return err
	}
	return f.keep(env, h, dir, files, authorities)
}

// authorities returns the certificate authorities that are given, or kept in dir.
func (f trustAddFlags) authorities(dir string) ([]byte, error) {
	switch {
	case f.cacert == nil:
		return authoritiesIn(dir)
	case *f.cacert == "":
		return nil, nil
	}
	_, kept, err := readAuthorities(*f.cacert)
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
func (f trustAddFlags) accept(ctx context.Context, env environment, url, dir string, files client.TrustFiles) error {
	print := files.Fingerprint()
	env.say("%s has the fingerprint\n  %s", url, print)
	if config, err := trust.ParseSigningConfig(files.SigningConfig); err == nil && len(config.CertificateAuthorities) > 0 && config.CertificateAuthorities[0].URL != url {
		env.say("  it has clients sign at %s", config.CertificateAuthorities[0].URL)
	}
	if p, err := checkpoint.ParseWitnessPolicy(files.LogPolicy); err == nil {
		env.say("  it has you ask that its log is cosigned by %s", p.Quorum.String())
	}
	question := fmt.Sprintf("Trust it as %s?", f.name)
	if pinned, err := pinnedIn(dir); err == nil && pinned.Fingerprint() != print {
		question = fmt.Sprintf("Replace the one that is pinned as %s?", f.name)
		env.say("  another one is pinned as %s: %s", f.name, pinned.Fingerprint())
		env.say("  what it has signed verifies with it alone; --name NAME keeps both")
		if pinned.LogPolicy != nil && files.LogPolicy == nil {
			env.say("  which has you ask that its log is cosigned; this one does not")
		}
	}
	switch {
	case f.fingerprint != "":
		if subtle.ConstantTimeCompare([]byte(strings.ToLower(f.fingerprint)), []byte(print)) != 1 {
			return &problem{Exit: exitRefused, Subject: url, Code: "fingerprint-mismatch", Err: errors.New("the instance is not the one that was asked for"), Expected: f.fingerprint, Found: print}
		}
		return nil
	case f.yes:
		return nil
	}
	return env.confirm(ctx, question, "--fingerprint HEX, with what the operator tells you")
}

// pinnedIn reads the trust files in dir.
func pinnedIn(dir string) (files client.TrustFiles, err error) {
	if files.Root, err = os.ReadFile(filepath.Join(dir, trust.RootFile)); err != nil {
		return files, err
	}
	if files.SigningConfig, err = os.ReadFile(filepath.Join(dir, trust.SigningConfigFile)); err != nil {
		return files, err
	}
	files.LogPolicy, err = os.ReadFile(filepath.Join(dir, trust.LogPolicyFile))
	if errors.Is(err, fs.ErrNotExist) {
		files.LogPolicy, err = nil, nil
	}
	return files, err
}

func (f trustAddFlags) keep(env environment, h home, dir string, files client.TrustFiles, authorities []byte) error {
	all := map[string][]byte{trust.RootFile: files.Root, trust.SigningConfigFile: files.SigningConfig}
	if files.LogPolicy != nil {
		all[trust.LogPolicyFile] = files.LogPolicy
	}
	if authorities != nil {
		all[caFile] = authorities
	}
	var batch durable.Batch
	for name, data := range all {
		if err := batch.Write(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	if err := batch.Sync(); err != nil {
		return err
	}
	for _, name := range []string{trust.LogPolicyFile, caFile} { // the pinned one counts until the others are in place
		if all[name] == nil {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	current, err := h.defaultInstance()
	if err != nil {
		return err
	}
	if current == "" || f.isDefault {
		if err := h.setDefault(f.name); err != nil {
			return err
		}
		current = f.name
	}
	if env.json {
		return env.printJSON(trustedInstance{f.name, files.Fingerprint(), f.name == current})
	}
	env.say("trusted as %s; the default instance is %s", f.name, current)
	return nil
}

func trustListCommand(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the instances that this client trusts",
		Long:  "Prints each instance with its fingerprint; * marks the default one.",
		Example: `  hallmark trust list
  hallmark trust list --json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			h, err := env.home()
			if err != nil {
				return err
			}
			names, err := h.list()
			if err != nil {
				return err
			}
			current, err := h.defaultInstance()
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
	Fingerprint string `json:"fingerprint"`
	Default     bool   `json:"default"`
}

func listInstances(env environment, h home, names []string, current string) error {
	for _, name := range names {
		dir, err := h.instance(name)
		if err != nil {
			return err
		}
		files, err := pinnedIn(dir)
		if err != nil {
			return unreadable(dir, err)
		}
		print := files.Fingerprint()
		if env.json {
			err = env.printJSON(trustedInstance{name, print, name == current})
		} else {
			mark := map[bool]string{true: "*", false: " "}[name == current]
			_, err = fmt.Fprintf(env.stdout, "%s %-24s %s\n", mark, name, print)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func trustRemoveCommand(env environment) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Trust an instance no more",
		Example: `  hallmark trust remove work`,
		Args:    usageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return env.instances(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			h, err := env.home()
			if err != nil {
				return err
			}
			dir, err := h.instance(args[0])
			if err != nil {
				return err
			}
			if _, err := os.Stat(dir); err != nil {
				return &problem{Exit: exitUndecided, Subject: args[0], Code: "no-instance", Err: errors.New("this client does not know the instance"), Try: env.command() + " trust list"}
			}
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			if env.json {
				err = env.printJSON(map[string]string{"name": args[0], "done": "removed"})
			} else {
				env.say("%s is trusted no more", args[0])
			}
			if current, none := h.defaultInstance(); err != nil || none != nil || current != args[0] {
				return errors.Join(err, none)
			}
			env.say("it was the default: choose another with --instance, or make one with trust add --default")
			return os.Remove(filepath.Join(h.dir, "default"))
		},
	}
}
