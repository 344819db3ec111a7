// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/keys"
	"github.com/hallmark-sign/hallmark/internal/rekorlog"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

func fileRekor(n int) string { return config.LogName(n) + ".pem" }
func fileNote(n int) string  { return config.LogName(n) + "-note.pem" }

// log returns the transparency log that accepts entries.
func (i *Instance) log() *trust.Log { return &i.Root.Logs[len(i.Root.Logs)-1] }

// CheckRotation returns why an instance can't have its next log at a base URL. Clients
// identify logs by their host names, and can't distinguish two logs with the same name.
// Errors: ErrDemand if the configured witness policy can't be published.
func (i *Instance) CheckRotation(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || base != u.Scheme+"://"+u.Host {
		return fmt.Errorf("%q is not a base URL: want https://HOST", base)
	}
	for _, log := range i.Root.Logs {
		if config.Hostname(log.BaseURL) == u.Hostname() {
			return fmt.Errorf("%s has the host name of %s: each log needs a host name of its own that leads to this instance", base, log.BaseURL)
		}
	}
	_, err = i.demandedPolicy()
	return err
}

// Rotate adds the instance's next log, with keys of its own, at a base URL that
// CheckRotation accepts. It publishes both logs: the old one counts for signatures
// until now, the new one from now on. The old log must be frozen.
func (i *Instance) Rotate(base string, rekor, note crypto.Signer, now time.Time) error {
	id, err := checkpoint.LogID(config.Hostname(base), rekor.Public())
	if err != nil {
		return fmt.Errorf("rotating log: %w", err)
	}
	now = now.UTC().Truncate(time.Second)
	next := *i.log()
	next.BaseURL, next.ID, next.Key, next.Validity = base, id, rekor.Public(), trust.Validity{Start: now}
	i.log().Validity.End = now.Add(time.Second) // signatures of this second are in it
	i.Root.Logs = append(i.Root.Logs, next)
	i.Keys.Rekor, i.Keys.Note = rekor, note
	i.announce()
	return nil
}

// announce writes the log that accepts entries into the signing config.
func (i *Instance) announce() {
	service := i.Signing.Logs[0]
	service.URL, service.Validity = i.log().BaseURL, trust.Validity{Start: i.log().Validity.Start}
	i.Signing.Logs = []trust.Service{service}
}

// FreezeLog freezes the log that accepts entries.
func (i *Instance) FreezeLog(ctx context.Context, witnesses *rekorlog.Witnesses, logger *slog.Logger) error {
	return rekorlog.Freeze(ctx, rekorlog.Options{
		Dir: i.Config.Path(config.LogName(len(i.Root.Logs) - 1)), Origin: config.Hostname(i.log().BaseURL), Key: i.Keys.Rekor, Note: i.Keys.Note,
		Logger: logger, Witnesses: witnesses,
	})
}

// NextKeys creates the keys of the next log and stores them in the instance's directory,
// before they are published. It uses those that an interrupted rotation has left. Of the
// options it uses Passphrase and CheapKeysUnsafe.
func (i *Instance) NextKeys(o Options) (rekor, note crypto.Signer, err error) {
	if err := i.clearTemporary(); err != nil {
		return nil, nil, fmt.Errorf("making keys of the next log: %w", err)
	}
	n := len(i.Root.Logs)
	if rekor, err = i.keep(fileRekor(n), "ecdsa-p256", o); err == nil {
		note, err = i.keep(fileNote(n), "ed25519", o)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("making keys of the next log: %w", err)
	}
	return rekor, note, nil
}

// clearTemporary removes files that a killed rotation left half-written.
func (i *Instance) clearTemporary() error {
	return errors.Join(durable.ClearTemporary(i.Config.Path("keys")), durable.ClearTemporary(i.Config.Path("trust")))
}

// keep returns the key in a file, which it creates if it is missing.
func (i *Instance) keep(name, kind string, o Options) (crypto.Signer, error) {
	path := i.Config.Path("keys", name)
	raw, err := os.ReadFile(path)
	if err == nil {
		if err := keys.CheckMode(path); err != nil {
			return nil, err
		}
		return keys.ParseEncrypted(raw, o.Passphrase)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := keys.Generate(kind)
	if err != nil {
		return nil, err
	}
	if raw, err = o.encrypt(key); err != nil {
		return nil, err
	}
	return key, durable.CreateFile(path, raw, 0o600)
}

// ResumeRotation completes a rotation that was interrupted between the two published files,
// and reports whether there was one.
func ResumeRotation(path string, logger *slog.Logger) (bool, error) {
	c, err := config.Load(path)
	if err != nil {
		return false, err
	}
	i := &Instance{Config: c}
	if err := i.readTrust(); err != nil {
		return false, fmt.Errorf("resuming rotation: %w", err)
	}
	if slices.ContainsFunc(i.Signing.Logs, func(s trust.Service) bool { return s.URL == i.log().BaseURL }) {
		return false, nil
	}
	i.announce()
	raw, err := i.Signing.Marshal()
	if err == nil {
		err = i.clearTemporary()
	}
	if err != nil {
		return false, fmt.Errorf("resuming rotation: %w", err)
	}
	if err := i.PublishLogPolicy(0, logger); err != nil {
		return false, fmt.Errorf("resuming rotation: %w", err)
	}
	return true, durable.WriteFile(filepath.Join(c.Dir, "trust", trust.SigningConfigFile), raw, 0o644)
}
