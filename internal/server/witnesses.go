package server

import (
	"net/http"
	"time"

	"github.com/hallmark-sign/hallmark/internal/rekorlog"
	"github.com/hallmark-sign/hallmark/internal/witness"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// witnessTimeout is how long witnesses have to cosign a checkpoint.
const witnessTimeout = 5 * time.Second

// openWitnesses gives those that the configuration names, or nil.
func openWitnesses(o Options) (*rekorlog.Witnesses, error) {
	w := o.Config.Witnesses
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
	return &rekorlog.Witnesses{Key: o.Keys.Note, Cosigner: asked, Required: w.Required}, nil
}
