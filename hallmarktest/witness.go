// SPDX-License-Identifier: Apache-2.0

package hallmarktest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/listener"
	"github.com/hallmark-sign/hallmark/internal/server"
	"github.com/hallmark-sign/hallmark/internal/witness"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// witnessOf runs a witness of the instance's log, and returns the instance's configuration for
// it.
func witnessOf(t testing.TB, i *instance.Instance, logger *slog.Logger) *config.Witnesses {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	key := checkpoint.Key{Name: "witness.example.com", Public: public, Cosigning: true}
	log := checkpoint.Key{Name: config.Hostname(i.Config.URL), Public: i.Keys.Note.Public().(ed25519.PublicKey)}
	w, err := witness.New(witness.Options{
		Dir: t.TempDir(), Name: key.Name, Key: private, Logs: []checkpoint.Key{log}, Clock: time.Now, Logger: logger,
	})
	if err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	serve(t, listener.Service{Handler: server.WitnessHandler(w, logger), Connections: 64, Logger: logger, Close: func(context.Context) error { return w.Close() }}.Answer, l)
	return &config.Witnesses{Quorum: 1, Required: true, Peers: []config.Peer{{URL: "http://" + l.Addr().String(), Key: key.String()}}}
}
