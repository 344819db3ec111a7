// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/hallmark-sign/hallmark/client/login"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/operate"
	"github.com/hallmark-sign/hallmark/internal/signing"
	"github.com/hallmark-sign/hallmark/internal/trusting"
	"github.com/hallmark-sign/hallmark/internal/verifying"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/trust/store"
)

const (
	dir           = "hallmark-try" // in the directory that the user is in
	demoUser      = "demo@example.com"
	tryPassphrase = "passphrase"    // file of the keys' passphrase
	tryPassword   = "demo-password" // file of the demo user's password
	confirmYes    = "--yes answers every question of this run"
)

// A Trial makes a private instance, signs a file with it, verifies the file offline, and shows
// that a changed byte is refused.
type Trial struct {
	File string
	Yes  bool // use the instance that is there and replace the bundle of File without asking

	env cli.Environment

	instance *instance.Instance
	listener net.Listener // at the instance's address, from the start, so that no other program takes it
}

// Run starts the instance and runs each step of the trial.
func (t *Trial) Run(ctx context.Context, env cli.Environment) error {
	// Here the story is the data, so all of it goes to stdout.
	if !env.JSON {
		env.Stderr = env.Stdout
	}
	t.env = env
	if err := (&signing.Request{}).CheckFile(t.File); err != nil {
		return fault.Of(err).With("try-file")
	}
	if _, err := os.Stat(t.bundle()); err == nil && !t.Yes {
		if err := t.env.Confirm(ctx, t.bundle()+" is there already. Replace it?", confirmYes); err != nil {
			return err
		}
	}
	started := time.Now()
	if err := t.open(ctx); err != nil {
		return err
	}
	defer t.listener.Close()
	if err := t.whileServing(ctx, t.sign); err != nil {
		return err
	}
	if err := t.verify(ctx); err != nil {
		return err
	}
	if err := t.tamper(ctx); err != nil {
		return err
	}
	t.env.Say("That took %s.", time.Since(started).Round(10*time.Millisecond))
	t.next()
	return nil
}

// open makes the instance, or uses the one that is there.
func (t *Trial) open(ctx context.Context) error {
	path := filepath.Join(dir, config.File)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return t.create()
	}
	if _, err := os.Stat(path); err != nil {
		return &fault.Problem{Exit: fault.ExitRefused, Subject: "./" + dir, Code: "exists", Err: errors.New("there is something there that is no instance"), Remedy: "try"}
	}
	if !t.Yes {
		if err := t.env.Confirm(ctx, "./"+dir+" is there already. Use it again?", confirmYes); err != nil {
			return err
		}
	}
	passphrase, err := cli.ReadSecret(filepath.Join(dir, tryPassphrase))
	if err != nil {
		return err
	}
	if t.instance, err = operate.OpenInstance(path, passphrase); err != nil {
		return err
	}
	t.env.Say("1. Using the instance in ./%s again.", dir)
	if t.listener, err = operate.Listen(t.instance.Config.Listen); err != nil {
		return fault.Of(err).With("try")
	}
	return nil
}

func (t *Trial) create() (err error) {
	if t.listener, err = listenAnywhere(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			t.listener.Close()
		}
	}()
	build, remove, err := durable.TempDir(".", ".hallmark-try-*")
	if err != nil {
		return err
	}
	defer remove()
	made := filepath.Join(build, dir)
	if err := t.furnish(made, t.listener.Addr().String()); err != nil {
		return err
	}
	// Every file of the trial is below ./hallmark-try.
	if err := os.Rename(made, dir); err != nil {
		return err
	}
	if t.instance.Config.Dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	t.env.Say("1. Made an instance in ./%s: certificate authority, two logs, timestamps, login.", dir)
	return nil
}

// furnish makes an instance in dir with its demo user, and keeps the secrets in
// files beside it.
func (t *Trial) furnish(dir, address string) (err error) {
	passphrase, password := rand.Text(), rand.Text()
	t.instance, err = instance.Create(dir, instance.Options{
		URL: "http://" + address, Listen: address, Organization: "hallmark try", Passphrase: []byte(passphrase), Now: time.Now(), CheapKeysUnsafe: t.env.CheapUnsafe,
	})
	if err != nil {
		return err
	}
	for name, secret := range map[string]string{tryPassphrase: passphrase, tryPassword: password} {
		if err := durable.WriteFile(filepath.Join(dir, name), []byte(secret+"\n"), 0o600); err != nil {
			return err
		}
	}
	accounts, err := operate.OpenAccounts(t.env, t.instance.Config.Path("issuer"))
	if err != nil {
		return err
	}
	return accounts.Add(demoUser, []byte(password))
}

// listenAnywhere listens on the default address, or on another where that is taken.
func listenAnywhere() (net.Listener, error) {
	if l, err := net.Listen("tcp", operate.DefaultListen); err == nil {
		return l, nil
	}
	return operate.Listen("127.0.0.1:0")
}

// whileServing does what the instance is needed for, and stops it.
func (t *Trial) whileServing(ctx context.Context, do func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s, err := operate.NewServer(t.instance, t.listener, slog.New(slog.NewTextHandler(io.Discard, nil)), nil)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, t.listener) }()
	err = do(ctx)
	stop()
	return errors.Join(err, <-ended)
}

func (t *Trial) sign(ctx context.Context) error {
	url := t.instance.Config.URL
	t.env.Say("2. Started it at %s.", url)
	password, err := cli.ReadSecret(filepath.Join(dir, tryPassword))
	if err != nil {
		return err
	}
	token, err := login.Password(ctx, login.Options{Issuer: url, ClientID: signing.ClientID}, demoUser, password)
	if err != nil {
		return fmt.Errorf("logging in as %s: %w", demoUser, err)
	}
	t.env.Say("3. Logged in as %s through the instance's own OpenID provider.", demoUser)
	r := signing.Request{
		Trust: t.trust(), Login: signing.Login{Given: token}, Timeout: 30 * time.Second, Quiet: true,
		Replace: true, // which was asked
	}
	start := time.Now()
	if err := r.Sign(ctx, t.env, []string{t.File}); err != nil {
		return err
	}
	t.env.Say("4. Signed %s in %s: a certificate for a key of one signature, a timestamp, a log entry.\n   All of it is in %s.",
		t.File, time.Since(start).Round(100*time.Microsecond), t.bundle())
	return nil
}

func (t *Trial) trust() trusting.Selection {
	return trusting.Selection{
		Whole:         true,
		TrustedRoot:   t.instance.Config.Path("trust", trust.RootFile),
		SigningConfig: t.instance.Config.Path("trust", trust.SigningConfigFile),
	}
}

func (t *Trial) bundle() string { return t.File + find.Suffix }

func (t *Trial) flags() verifying.Verification {
	return verifying.Verification{Trust: t.trust(), Accept: verifying.Acceptance{Identity: demoUser, Issuer: t.instance.Config.URL}, Bundles: []string{t.bundle()}}
}

func (t *Trial) verify(ctx context.Context) error {
	t.env.Say("5. Stopped the instance. Verifying offline, from the file, the bundle and the trusted root:")
	return t.flags().Run(ctx, t.env, []string{t.File})
}

// tamper shows that the file with one bit changed is refused.
func (t *Trial) tamper(ctx context.Context) error {
	content, err := os.Open(t.File)
	if err != nil {
		return err
	}
	defer content.Close()
	judge, err := t.flags().Judge(t.env)
	if err != nil {
		return err
	}
	judge.Stdin = &flipped{r: content}
	for item := range (find.Finder{Bundles: []string{t.bundle()}}).Find(find.Stdin) {
		item.Subject = find.Input(t.File + " (changed copy)")
		v := judge.Judge(ctx, item)
		p := v.Problem()
		if p == nil || p.Exit != fault.ExitRefused {
			return fmt.Errorf("a changed %s was not refused: %v", t.File, p)
		}
		t.env.Say("6. Verifying a copy with one bit changed:")
		if t.env.JSON {
			return t.env.PrintJSON(verifying.Report(t.env, v))
		}
		t.env.Complain(p)
	}
	return nil
}

// flipped reads what r does with the lowest bit of the first byte changed, or a
// byte where r has none.
type flipped struct {
	r    io.Reader
	done bool
}

// Read changes the first byte that it reads.
func (f *flipped) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.done || len(p) == 0 {
		return n, err
	}
	if n == 0 && err == io.EOF {
		n, err, p[0] = 1, nil, 0
	}
	if n > 0 {
		f.done = true
		p[0] ^= 1
	}
	return n, err
}

// next prints the commands to go on with.
func (t *Trial) next() {
	c, name := t.env.Command(), store.Name(t.instance.Config.URL)
	t.env.Say("\nGo on with:")
	t.env.Say("  %s inspect %s", c, t.bundle())
	t.env.Say("  %s serve -c %s --passphrase-file %s", c, filepath.Join(dir, config.File), filepath.Join(dir, tryPassphrase))
	t.env.Say("and, while it runs, in another terminal:")
	t.env.Say("  %s trust add %s", c, t.instance.Config.URL)
	t.env.Say("  %s sign %s --instance %s --email %s --password-file %s", c, t.File, name, demoUser, filepath.Join(dir, tryPassword))
	t.env.Say("  %s verify %s --instance %s --identity %s --issuer %s", c, t.File, name, demoUser, t.instance.Config.URL)
}
