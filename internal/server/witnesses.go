package server

import (
	"net/http"
	"time"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/rekorlog"
	"github.com/hallmark-sign/hallmark/internal/witness"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// witnessTimeout is how long witnesses have to cosign a checkpoint.
const witnessTimeout = 5 * time.Second

// Peers are the witnesses that a configuration names.
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

// Witnesses returns those that the configuration names; nil if it names none.
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

// cosigners are the keys of the witnesses that the configuration names.
func cosigners(c *config.Witnesses) ([]checkpoint.Key, error) {
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
