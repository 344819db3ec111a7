package server

import (
	"crypto"
	"net/http"
	"time"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/rekorlog"
	"github.com/hallmark-sign/hallmark/internal/witness"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// witnessTimeout is how long witnesses have to cosign a checkpoint.
const witnessTimeout = 5 * time.Second

// Witnesses are those that the configuration names, of a log that they know by key;
// nil if it names none.
func Witnesses(c *config.Config, key crypto.Signer) (*rekorlog.Witnesses, error) {
	w := c.Witnesses
	if w == nil {
		return nil, nil
	}
	var peers []witness.Peer
	for _, p := range w.Peers {
		key, err := checkpoint.ParseKey(p.Key)
		if err != nil {
			return nil, err
		}
		peers = append(peers, witness.Peer{URL: p.URL, Key: key})
	}
	asked, err := witness.NewPeers(witness.PeersOptions{Peers: peers, Quorum: w.Quorum, Timeout: witnessTimeout, HTTP: http.DefaultClient})
	if err != nil {
		return nil, err
	}
	return &rekorlog.Witnesses{Key: key, Cosigner: asked, Required: w.Required}, nil
}
