package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/ownlog"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/trust/store"
)

// fingerprintFlags are those of trust fingerprint.
type fingerprintFlags struct {
	cacert  string
	timeout time.Duration
}

func trustFingerprintCommand(env cli.Environment) *cobra.Command {
	var f fingerprintFlags
	cmd := &cobra.Command{
		Use:   "fingerprint DIR|URL|NAME",
		Short: "Print the fingerprint of what an instance publishes",
		Long: `Prints the fingerprint over all files that an instance publishes for its clients, and
pins nothing. The instance is one of:

  NAME   of 'hallmark trust list': what this client has pinned
  DIR    the directory of an instance, or one with its trust files: for the operator,
         who reads it to people who run 'hallmark trust add'
  URL    what the instance there publishes now: to see whether it has changed

The fingerprint of a URL proves nothing by itself: it comes over the connection that it
is to prove. A directory called like a pinned instance is written ./NAME.`,
		Example: `  hallmark trust fingerprint my-instance
  hallmark trust fingerprint work
  hallmark trust fingerprint https://sign.example.com --json`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return instances(env), cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := f.material(cmd.Context(), env, args[0])
			if err != nil {
				return err
			}
			return printFingerprint(env, m)
		},
	}
	cmd.Flags().StringVar(&f.cacert, "cacert", "", "PEM `FILE` with the certificate authority of the TLS of a URL, besides the system's")
	cli.AddTimeout(cmd, &f.timeout, 30*time.Second)
	return cmd
}

// printFingerprint prints the fingerprint, for machines with its older form.
func printFingerprint(env cli.Environment, m *trust.Material) error {
	if env.JSON {
		return env.PrintJSON(struct {
			Fingerprint string `json:"fingerprint"`
			Older       string `json:"olderFingerprint"`
		}{m.Fingerprint(), m.OlderFingerprint()})
	}
	_, err := fmt.Fprintln(env.Stdout, m.Fingerprint())
	return err
}

// material reads or fetches what an instance publishes. A pinned instance comes before a
// directory of the same name: whoever unpacks an archive here can't stand in for it.
func (f fingerprintFlags) material(ctx context.Context, env cli.Environment, instance string) (*trust.Material, error) {
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
	info, err := os.Stat(instance)
	isDir := err == nil && info.IsDir()
	dir := instance
	switch {
	case slices.Contains(names, instance):
		if isDir {
			env.Say("this is what is pinned as %s; write ./%s for the directory", instance, instance)
		}
		if dir, err = h.Instance(instance); err != nil {
			return nil, err
		}
	case !isDir:
		return nil, &verdict.Problem{Exit: verdict.ExitUndecided, Subject: instance, Code: "no-instance", Err: errors.New("it is neither a pinned instance nor a directory"), Try: env.Command() + " trust list"}
	case ownlog.IsInstance(dir):
		dir = filepath.Join(dir, "trust")
	}
	m, err := store.Read(dir)
	if err != nil {
		return nil, verdict.Unreadable(dir, err)
	}
	return m, nil
}

// fetch asks a URL, with the certificate authority given or the one that is kept with the
// instance of the same host.
func (f fingerprintFlags) fetch(ctx context.Context, env cli.Environment, url string) (*trust.Material, error) {
	flags := trustFlags{cacert: f.cacert, instance: store.Name(url)}
	var roots *x509.CertPool
	if f.cacert != "" || flags.instance != "" {
		var err error
		if roots, err = flags.authorities(env); err != nil {
			return nil, err
		}
	}
	return fetchMaterial(ctx, env, url, roots, f.timeout)
}
