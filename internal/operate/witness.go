// SPDX-License-Identifier: Apache-2.0

package operate

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/keys"
	"github.com/hallmark-sign/hallmark/internal/listener"
	"github.com/hallmark-sign/hallmark/internal/server"
	"github.com/hallmark-sign/hallmark/internal/witness"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

const (
	witnessKeyFile = "witness.pem"
	witnessState   = "state"
	witnessRemedy  = "put the newest state back; if it is lost, make a new witness with a new key"
)

// A NewWitness describes a witness to make.
type NewWitness struct {
	config.Witness
	PassphraseFile string // empty: ask for the passphrase
}

// Make makes the witness in dir and prints its key and what to do next.
func (n NewWitness) Make(ctx context.Context, env cli.Environment, dir string) error {
	c := &n.Witness
	key, err := keys.Generate("ed25519")
	if err != nil {
		return err
	}
	public := checkpoint.Key{Name: c.Name, Public: key.Public().(ed25519.PublicKey), Cosigning: true}
	_, err = checkpoint.ParseKey(public.String())
	if strings.Contains(c.Name, "://") {
		err = fmt.Errorf("%q has a scheme: want a name like witness.example.com", c.Name)
	}
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: dir, Code: "configuration", Err: err, Remedy: "witness-help"}
	}
	passphrase, err := env.Secret(ctx, "passphrase", n.PassphraseFile, "HALLMARK_PASSPHRASE", keys.PassphraseRule)
	if err != nil {
		return err
	}
	marshal := keys.MarshalEncrypted
	if env.CheapUnsafe {
		marshal = keys.MarshalEncryptedUnsafe
	}
	pem, err := marshal(key, passphrase)
	if err != nil {
		return err
	}
	settings, err := c.Marshal()
	if err != nil {
		return err
	}
	err = durable.CreateDir(dir, 0o755, func(dir string) error {
		var files durable.Batch
		return errors.Join(
			durable.MkdirAll(durable.OS{}, filepath.Join(dir, witnessState), 0o755),
			files.Write(filepath.Join(dir, witnessKeyFile), pem, 0o600),
			files.Write(filepath.Join(dir, config.WitnessFile), settings, 0o644),
			files.Sync())
	})
	if errors.Is(err, fs.ErrExist) {
		return exists(dir, err)
	}
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(map[string]string{"dir": dir, "name": c.Name, "key": public.String()})
	}
	env.Say("made the witness %s in %s", c.Name, dir)
	sayLeft(env, dir)
	env.Say("  its key      %s", public)
	env.Say("  add logs     under logs in %s", filepath.Join(dir, config.WitnessFile))
	env.Say("  run it       %s witness serve %s", env.Command(), dir)
	return nil
}

func (f Service) witness(ctx context.Context, env cli.Environment, logger *slog.Logger, dir string) error {
	c, err := config.LoadWitness(filepath.Join(dir, config.WitnessFile))
	if err == nil && f.Listen != "" {
		c.Listen = f.Listen
		err = c.Check()
	}
	if err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: dir, Code: "configuration", Err: err, Remedy: "witness-init"}
	}
	key, err := f.witnessKey(ctx, env, c)
	if err != nil {
		return err
	}
	w, err := openWitness(c, key, logger)
	if err != nil {
		return err
	}
	l, err := Listen(c.Listen)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	hangups, ignore := hangups()
	defer ignore()
	service := listener.Service{
		Handler: server.WitnessHandler(w, logger), Connections: config.Limits{}.Effective().Connections, Logger: logger, Reload: hangups, Close: func(context.Context) error { return w.Close() },
		Announce: func() {
			logger.Info("serving", "witness", c.Name, "logs", len(c.Logs), "address", l.Addr().String(), "tls", c.TLS != nil)
		},
	}
	if c.TLS != nil {
		service.Certificate, service.Key = c.Path(c.TLS.Certificate), c.Path(c.TLS.Key)
	}
	return servingProblem(dir, service.Answer(ctx, l))
}

func (f Service) witnessKey(ctx context.Context, env cli.Environment, c *config.Witness) (ed25519.PrivateKey, error) {
	path := c.Path(witnessKeyFile)
	key, err := cli.LoadKey(ctx, env, path, f.PassphraseFile)
	if err != nil {
		return nil, err
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fault.Unreadable(path, fmt.Errorf("the key of a witness is Ed25519, not %T", key))
	}
	return private, nil
}

// openWitness opens a witness with its state. It refuses a missing state: with the key alone,
// a witness could cosign a tree that contradicts one it cosigned before.
func openWitness(c *config.Witness, key ed25519.PrivateKey, logger *slog.Logger) (*witness.Witness, error) {
	logs, err := c.Keys()
	if err != nil {
		return nil, err
	}
	state := c.Path(witnessState)
	if _, err := os.Stat(state); err != nil {
		return nil, &fault.Problem{
			Exit: fault.ExitUsage, Subject: state, Code: "witness-state", Remedy: "lost",
			Err: fmt.Errorf("what the witness has cosigned is not there: %w", err),
		}
	}
	w, err := witness.New(witness.Options{Dir: state, Name: c.Name, Key: key, Logs: logs, Clock: time.Now, Logger: logger})
	switch {
	case errors.Is(err, durable.ErrLocked):
		return nil, &fault.Problem{Exit: fault.ExitUndecided, Subject: c.Dir, Code: "instance-locked", Err: fmt.Errorf("another process is this witness: %w", err)}
	case durable.Failing(err):
		return nil, cli.DiskProblem(state, err)
	case errors.Is(err, witness.ErrWentBack):
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: state, Code: "witness-state", Err: err, Remedy: "lost"}
	case err != nil:
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: state, Code: "witness-state", Err: err}
	}
	return w, nil
}

// ServeWitness runs the witness in dir until ctx ends.
func (f Service) ServeWitness(ctx context.Context, env cli.Environment, dir string) error {
	return f.inJSON(env, func(logger *slog.Logger) error { return f.witness(ctx, env, logger, dir) })
}
