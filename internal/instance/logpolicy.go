// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// ErrDemand reports that the configured witness policy can't be published, or contradicts the
// published one.
var ErrDemand = errors.New("log policy does not fit")

// ErrBegun is an ErrDemand for a log that has to be rotated first.
var ErrBegun = fmt.Errorf("%w: the log has entries without required cosignatures, which clients would refuse: begin a new log", ErrDemand)

// PublishLogPolicy publishes the witness policy of the configuration, which clients
// then require. Clients would refuse entries that were acknowledged without
// cosignatures, so a log is in the policy from its first entry or never. Clients keep
// requiring what they pinned, so a published policy only gains logs. Size is that of
// the log that accepts entries.
// Errors: ErrDemand.
func (i *Instance) PublishLogPolicy(size uint64, logger *slog.Logger) error {
	p, err := i.demandedPolicy()
	if p == nil || err != nil {
		return err
	}
	log, err := i.noteKey()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(p.Logs, func(k checkpoint.Key) bool { return k.String() == log.String() }) {
		return nil
	}
	if size > 0 {
		return ErrBegun
	}
	p.Logs = append(p.Logs, log)
	path := i.logPolicyFile()
	logger.Info("clients are told to demand cosignatures", "file", path, "log", log.Name)
	return durable.WriteFile(path, p.Marshal(), 0o644)
}

func (i *Instance) logPolicyFile() string { return i.Config.Path("trust", trust.LogPolicyFile) }

// demandedPolicy returns the configured policy, with the logs of the published one added, or
// nil if the configuration requires none. Errors: ErrDemand.
func (i *Instance) demandedPolicy() (*checkpoint.WitnessPolicy, error) {
	path := i.logPolicyFile()
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if w := i.Config.Witnesses; w == nil || !w.Demanded {
		if raw != nil {
			return nil, fmt.Errorf("%w: clients have pinned %s: witnesses.demanded stays on, or the file goes and every client pins anew", ErrDemand, path)
		}
		return nil, nil
	}
	p, err := demanded(raw, i.Config.Witnesses)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &p, nil
}

// noteKey returns the verifier key by which witnesses know the log that accepts entries. It
// reads the published key if the keys are not open.
func (i *Instance) noteKey() (checkpoint.Key, error) {
	name := config.Hostname(i.log().BaseURL)
	if i.Keys.Note != nil {
		public, ok := i.Keys.Note.Public().(ed25519.PublicKey)
		if !ok {
			return checkpoint.Key{}, fmt.Errorf("the log's key for witnesses is %T, not Ed25519", i.Keys.Note.Public())
		}
		return checkpoint.Key{Name: name, Public: public}, nil
	}
	key, err := PublishedLogKey(i.Config)
	if err == nil && (key.Name != name || key.Cosigning) {
		err = fmt.Errorf("%s: it is not the key of the log %s", i.Config.Path("trust", trust.LogKeyFile), name)
	}
	return key, err
}

// PublishedLogKey reads the verifier key that an instance publishes for witnesses, for the log
// that accepts entries.
func PublishedLogKey(c *config.Config) (checkpoint.Key, error) {
	path := c.Path("trust", trust.LogKeyFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return checkpoint.Key{}, err
	}
	key, err := checkpoint.ParseKey(strings.TrimSpace(string(raw)))
	if err != nil {
		return checkpoint.Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// demanded returns the witness policy of the configuration for the logs of the
// published policy, if any. The published policy must have the same witnesses.
func demanded(published []byte, w *config.Witnesses) (checkpoint.WitnessPolicy, error) {
	witnesses, err := Cosigners(w)
	if err != nil || published == nil {
		return checkpoint.AtLeast(w.Quorum, witnesses), err
	}
	before, err := checkpoint.ParseWitnessPolicy(published)
	if err != nil {
		return before, err
	}
	p := checkpoint.AtLeast(w.Quorum, witnesses, before.Logs...)
	if string(p.Marshal()) != string(published) {
		return p, fmt.Errorf("%w: the configuration has other witnesses or another quorum, and what was signed has the cosignatures that it asked for then", ErrDemand)
	}
	return p, nil
}
