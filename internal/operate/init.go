// SPDX-License-Identifier: Apache-2.0

package operate

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/keys"
	"github.com/hallmark-sign/hallmark/internal/listener"
	"github.com/hallmark-sign/hallmark/trust/store"
)

// PassphraseRule says what a passphrase must be like, for help texts.
const PassphraseRule = keys.PassphraseRule

// DefaultListen is the address of a new instance if none is given.
const DefaultListen = "127.0.0.1:7500"

// A NewInstance describes an instance to make.
type NewInstance struct {
	instance.Options
	PassphraseFile string // empty: ask for the passphrase
}

// Make makes the instance in dir and prints its fingerprint and what to do next.
func (n NewInstance) Make(ctx context.Context, env cli.Environment, dir string) error {
	o := n.Options
	if o.URL == "" {
		o.URL = "http://" + o.Listen
		if o.TLS != (config.TLS{}) {
			o.URL = "https://" + o.Listen
		}
	}
	if here, err := os.Getwd(); err == nil && sameDir(dir, here) {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: dir, Code: "usage", Err: errors.New("the directory that you are in can't be replaced by an instance"), Remedy: "new-directory"}
	}
	if err := checkTLS(env, &o); err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: dir, Code: "configuration", Err: err, Remedy: "init-help"}
	}
	if there, err := os.ReadDir(dir); err == nil && len(there) > 0 {
		return exists(dir, errors.New("the directory is not empty"))
	}
	passphrase, err := env.Secret(ctx, "passphrase", n.PassphraseFile, "HALLMARK_PASSPHRASE", keys.PassphraseRule)
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
		return &fault.Problem{Exit: fault.ExitUsage, Subject: dir, Code: "configuration", Err: err, Remedy: "init-help"}
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

// madeInstance is the JSON result of making an instance.
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
	c, err := listener.ReadCertificate(o.TLS.Certificate, o.TLS.Key)
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

// exists returns the refusal to make what err reports to exist.
func exists(dir string, err error) error {
	return &fault.Problem{Exit: fault.ExitRefused, Subject: dir, Code: "exists", Err: err}
}

// sameDir reports whether two paths are one directory.
func sameDir(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// sayLeft names the directories that killed runs have left beside dir and that could not be
// removed: it is unknown whether one is still in use.
func sayLeft(env cli.Environment, dir string) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Clean(dir)), durable.TemporaryDirs))
	for _, one := range left {
		env.Say("  left         unless another init or restore is running: rm -r %s", fault.Quoted(one))
	}
}
