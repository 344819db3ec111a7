package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/keys"
	"github.com/hallmark-sign/hallmark/internal/server"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/trust/store"
)

const (
	defaultListen       = "127.0.0.1:7500"
	defaultOrganization = "hallmark"
)

func initCommand(env cli.Environment) *cobra.Command {
	var o instance.Options
	var passphraseFile string
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make an instance: keys, certificates, configuration",
		Long: `Makes DIR with everything a Sigstore instance needs: hallmark.yaml, keys under a
passphrase, and the trust files that clients get. DIR must be missing or empty.

The passphrase has ` + keys.PassphraseRule + `, and comes from --passphrase-file,
HALLMARK_PASSPHRASE or a prompt. Afterwards,
take DIR/keys/root-ca.pem off this machine: it is needed only to make new authorities.

The files for TLS are read and checked, stay where they are, and are written into
hallmark.yaml with their full paths.`,
		Example: `  hallmark init my-instance
  hallmark init --url https://sign.example.com --listen 0.0.0.0:443 \
      --tls-certificate /etc/tls/cert.pem --tls-key /etc/tls/key.pem my-instance
  hallmark init --url https://sign.example.com --listen 127.0.0.1:7500 my-instance   # behind a proxy`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return initInstance(cmd.Context(), env, args[0], o, passphraseFile)
		},
	}
	cmd.Flags().StringVar(&o.URL, "url", "", "where clients reach the instance; can't be changed later (default http://LISTEN, https:// with TLS)")
	cmd.Flags().StringVar(&o.Listen, "listen", defaultListen, "address to listen on")
	cmd.Flags().StringVar(&o.Organization, "organization", defaultOrganization, "name in the certificates")
	cmd.Flags().StringVar(&o.CAKey, "ca-key", "ecdsa-p256", "kind of the issuing key, and of the root's unless it is RSA: ecdsa-p256, ecdsa-p384, ecdsa-p521, rsa-3072, rsa-4096")
	cli.Complete(cmd, "ca-key", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-3072", "rsa-4096")
	cmd.Flags().BoolVar(&o.PlainHTTPUnsafe, "plain-http-unsafe", false, "allow plain HTTP beyond loopback, behind a proxy that speaks TLS")
	cmd.Flags().StringVar(&o.TLS.Certificate, "tls-certificate", "", "PEM `FILE` with the certificate to speak TLS with, and those between it and its root")
	cmd.Flags().StringVar(&o.TLS.Key, "tls-key", "", "PEM `FILE` with its key")
	cmd.MarkFlagsRequiredTogether("tls-certificate", "tls-key")
	cmd.Flags().StringVar(&passphraseFile, "passphrase-file", "", "`FILE` with the passphrase for the keys, of "+keys.PassphraseRule)
	return cmd
}

func initInstance(ctx context.Context, env cli.Environment, dir string, o instance.Options, passphraseFile string) error {
	if o.URL == "" {
		o.URL = "http://" + o.Listen
		if o.TLS != (config.TLS{}) {
			o.URL = "https://" + o.Listen
		}
	}
	if here, err := os.Getwd(); err == nil && sameDir(dir, here) {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: dir, Code: "usage", Err: errors.New("the directory that you are in can't be replaced by an instance"), Try: env.Command() + " init NEW-DIRECTORY"}
	}
	if err := checkTLS(env, &o); err != nil {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: dir, Code: "configuration", Err: err, Try: env.Command() + " init --help"}
	}
	passphrase, err := env.Secret(ctx, "passphrase", passphraseFile, "HALLMARK_PASSPHRASE", keys.PassphraseRule)
	if err != nil {
		return err
	}
	o.Passphrase, o.Now, o.CheapKeysUnsafe = passphrase, time.Now(), env.CheapUnsafe
	i, err := instance.Create(dir, o)
	if errors.Is(err, fs.ErrExist) {
		return exists(dir, err)
	}
	if durable.Failing(err) {
		return cli.DiskProblem(dir, err)
	}
	if err != nil {
		return &verdict.Problem{Exit: verdict.ExitUsage, Subject: dir, Code: "configuration", Err: err, Try: env.Command() + " init --help"}
	}
	m, err := store.Read(filepath.Join(dir, "trust"))
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(madeInstance{dir, i.Config.URL, m.Fingerprint(), filepath.Join(dir, "keys", "root-ca.pem")})
	}
	env.Say("made an instance in %s, to be reached at %s", dir, i.Config.URL)
	sayLeft(env, dir)
	env.Say("  fingerprint  %s", m.Fingerprint())
	env.Say("  offline      take %s off this machine", filepath.Join(dir, "keys", "root-ca.pem"))
	env.Say("  add users    %s user add -c %s EMAIL", env.Command(), filepath.Join(dir, config.File))
	env.Say("  run it       %s serve -c %s", env.Command(), filepath.Join(dir, config.File))
	return nil
}

// madeInstance is what init made, for machines.
type madeInstance struct {
	Dir         string `json:"dir"`
	URL         string `json:"url"`
	Fingerprint string `json:"fingerprint"`
	RootKey     string `json:"rootKey"` // file to take off the machine
}

// checkTLS reads the files that the instance is to speak TLS with, makes their paths good
// from everywhere, and warns of what clients would refuse.
func checkTLS(env cli.Environment, o *instance.Options) error {
	if o.TLS == (config.TLS{}) {
		return nil
	}
	for _, path := range []*string{&o.TLS.Certificate, &o.TLS.Key} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = absolute
	}
	c, err := server.ReadCertificate(o.TLS.Certificate, o.TLS.Key)
	if err != nil {
		return err
	}
	if err := c.Leaf.VerifyHostname(config.Hostname(o.URL)); err != nil {
		env.Say("warning: clients will refuse the certificate at %s: %s", o.URL, err)
	}
	if now := time.Now(); now.Before(c.Leaf.NotBefore) || now.After(c.Leaf.NotAfter) {
		env.Say("warning: the certificate is valid from %s to %s, which is not now", c.Leaf.NotBefore.UTC(), c.Leaf.NotAfter.UTC())
	}
	return nil
}

// exists is the refusal to make what is there; other errors stay what they are.
func exists(dir string, err error) error {
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	return &verdict.Problem{Exit: verdict.ExitRefused, Subject: dir, Code: "exists", Err: err, Try: "choose another DIR; nothing was changed"}
}

// sameDir says whether two paths are one directory.
func sameDir(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}
