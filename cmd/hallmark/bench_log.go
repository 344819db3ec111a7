// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/bench"
	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
)

const (
	// manyClients is how many ask at once where it is a crowd.
	manyClients = 512

	// manyPerSecond is how many requests are made before, for each second: about as
	// many as are answered.
	manyPerSecond = 6000

	// readBuffer, in bytes, holds a tile with its header: reading costs this machine,
	// which answers too, as little as it can.
	readBuffer = 16 << 10
)

func benchLogCommand(env cli.Environment) *cobra.Command {
	f := benchFlags{clients: 64}
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Measure the transparency log of a running instance",
		Long: `Adds entries to the log of an instance by one client, by 64 and by 512, each entry durable
and proven before it is answered, and reads its tiles. No token is needed. The load comes
from this machine, so its own work is part of every figure. Entries stay in the log: measure
an instance that you can throw away.`,
		Example: `  hallmark bench log
  hallmark bench log --instance work --duration 10s --json`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.log(cmd.Context(), env) },
	}
	addTrust(cmd, &f.trust, true)
	addCACert(cmd, &f.trust)
	cmd.Flags().DurationVar(&f.duration, "duration", 3*time.Second, "how long each measurement takes")
	return cmd
}

func (f benchFlags) log(ctx context.Context, env cli.Environment) error {
	env.CollectLess()
	config, err := f.trust.Config(env)
	if err != nil {
		return err
	}
	roots, err := f.trust.Authorities(env)
	if err != nil {
		return err
	}
	h := env.HTTP(roots, time.Minute)
	h.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: manyClients, MaxConnsPerHost: manyClients, ReadBufferSize: readBuffer}
	s, err := client.Open(config, time.Now(), h)
	if err == nil && len(s.Rekor) == 0 {
		err = client.ErrNoService
	}
	if err != nil {
		return err
	}
	log := s.Rekor[0].URL
	entries, err := bench.Entries(h, log, int(manyPerSecond*3*f.duration.Seconds()))
	if err != nil {
		return err
	}
	for _, clients := range []int{1, f.clients, manyClients} {
		if err := f.measure(ctx, env, entries, clients); err != nil {
			return err
		}
	}
	tiles, err := bench.Tiles(ctx, h, log+"/api/v2")
	if err != nil {
		return err
	}
	return f.measure(ctx, env, tiles, f.clients)
}
