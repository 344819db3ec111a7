// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"net/http"
	"time"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/rekorlog"
	"github.com/hallmark-sign/hallmark/internal/witness"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// witnessTimeout is the time that witnesses have to cosign a checkpoint.
const witnessTimeout = 5 * time.Second

// Peers returns the witnesses that a configuration names.
func Peers(c *config.Witnesses) (*witness.Peers, error) {
	var peers []witness.Peer
	for _, p := range c.Peers {
		key, err := checkpoint.ParseKey(p.Key)
		if err != nil {
			return nil, err
		}
		peers = append(peers, witness.Peer{URL: p.URL, Key: key})
	}
	return witness.NewPeers(witness.PeersOptions{Peers: peers, Quorum: c.Quorum, Timeout: witnessTimeout, HTTP: http.DefaultClient})
}

// Witnesses returns the witnesses that the configuration names; nil if it names none.
func Witnesses(c *config.Config) (*rekorlog.Witnesses, error) {
	if c.Witnesses == nil {
		return nil, nil
	}
	asked, err := Peers(c.Witnesses)
	if err != nil {
		return nil, err
	}
	return &rekorlog.Witnesses{Cosigner: asked, Required: c.Witnesses.Required}, nil
}

// Cosigners returns the keys of the witnesses that a configuration names; nil if c is nil.
func Cosigners(c *config.Witnesses) ([]checkpoint.Key, error) {
	if c == nil {
		return nil, nil
	}
	all := make([]checkpoint.Key, len(c.Peers))
	for i, p := range c.Peers {
		var err error
		if all[i], err = checkpoint.ParseKey(p.Key); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// LogNotes lists the files in which the rest of an instance records what one of its logs was
// seen with. name is the name of the log's directory; last is the index of the transparency
// log that accepts entries. See tilelog.Options.
func LogNotes(c *config.Config, name string, last int) []string {
	var all []string
	for _, dir := range []string{config.LogName(last), "ct", "evidence"} {
		if dir != name {
			all = append(all, c.Path(dir, name+".seen"))
		}
	}
	return all
}
