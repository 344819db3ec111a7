package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// benchFlags are those of bench.
type benchFlags struct {
	trust    trustFlags
	token    tokenFlags
	clients  int
	duration time.Duration
	json     bool
}

func benchCommand(env environment) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what a running instance does on this machine",
		Long: `Asks a running instance for log entries, timestamps and, given a token, certificates, and
prints figures: one client's wait, and what many get together. The load comes from this
process, so on one machine its own work is part of every figure. Entries stay in the log:
measure an instance that you can throw away.`,
		Example: `  hallmark bench --instance 127.0.0.1-7500
  hallmark bench --identity-token token.txt --clients 64 --duration 5s`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), env) },
	}
	f.trust.add(cmd, true)
	f.token.add(cmd)
	cmd.Flags().IntVar(&f.clients, "clients", 64, "how many ask at once")
	cmd.Flags().DurationVar(&f.duration, "duration", 3*time.Second, "how long each measurement takes")
	cmd.Flags().BoolVar(&f.json, "json", false, "print each figure as JSON, one a line")
	return cmd
}

func (f benchFlags) run(ctx context.Context, env environment) error {
	config, err := f.trust.config(env)
	if err != nil {
		return err
	}
	s, err := selectServices(config, time.Now(), time.Minute)
	if err != nil {
		return err
	}
	s.http.Transport = &http.Transport{MaxIdleConnsPerHost: f.clients, MaxConnsPerHost: f.clients}
	b := &load{services: s}
	works := []work{{"log entry", b.entry}, {"timestamp", b.timestamp}}
	if f.token.token != "" || f.token.email != "" {
		if b.identity, err = f.token.claims(ctx, env, s.issuer); err != nil {
			return err
		}
		works = append(works, work{"certificate", b.certificate})
	} else {
		env.say("no token, so certificates are not measured: --identity-token, or --email with --password-file")
	}
	if b.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	if b.public, err = x509.MarshalPKIXPublicKey(b.key.Public()); err != nil {
		return err
	}
	for _, w := range works {
		for _, clients := range []int{1, f.clients} {
			figure, err := measure(ctx, w, clients, f.duration)
			if err != nil {
				return err
			}
			if err := f.print(env, figure); err != nil {
				return err
			}
		}
	}
	return nil
}

// work is one thing that is measured.
type work struct {
	name string
	once func(context.Context) error
}

// load asks the services.
type load struct {
	services *services
	identity claims
	key      crypto.Signer
	public   []byte // PKIX DER
}

// entry logs a signature over something new.
func (l *load) entry(ctx context.Context) error {
	digest := sha256.Sum256([]byte(rand.Text()))
	alg, err := sigalg.ByName(sigalg.ECDSAP256SHA256)
	if err != nil {
		return err
	}
	signature, err := alg.SignDigest(rand.Reader, l.key, digest[:])
	if err != nil {
		return err
	}
	_, err = l.services.logs[0].Add(ctx, rekor.HashedRekord{
		Digest: digest[:], Signature: signature, Verifier: rekor.Verifier{PublicKey: l.public, KeyDetails: alg.Name},
	})
	return err
}

func (l *load) timestamp(ctx context.Context) error {
	_, err := l.services.timestampers[0].Timestamp(ctx, []byte("a signature of some length, as signatures go"))
	return err
}

// certificate has one key certified again and again: making keys is not what is
// measured.
func (l *load) certificate(ctx context.Context) error {
	_, err := client.Fulcio{
		URL: l.services.authority, Token: l.identity.token, Challenge: l.identity.challenge, HTTP: l.services.http,
	}.Certify(ctx, l.key)
	return err
}

// figure is what a measurement found; times in milliseconds.
type figure struct {
	Work      string  `json:"work"`
	Clients   int     `json:"clients"`
	Answers   int     `json:"answers"`
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50ms"`
	P99       float64 `json:"p99ms"`
}

// measure has clients do the work for a while, after one try each.
func measure(ctx context.Context, w work, clients int, d time.Duration) (figure, error) {
	if err := w.once(ctx); err != nil {
		return figure{}, err
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex // guards waits and first
		waits []time.Duration
		first error
	)
	start := time.Now()
	for range clients {
		wg.Go(func() {
			mine, err := repeat(ctx, w, start.Add(d))
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, mine...)
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	if first != nil {
		return figure{}, first
	}
	slices.Sort(waits)
	at := func(q float64) float64 { return waits[int(q*float64(len(waits)-1))].Seconds() * 1000 }
	return figure{w.name, clients, len(waits), float64(len(waits)) / took.Seconds(), at(0.5), at(0.99)}, nil
}

func repeat(ctx context.Context, w work, until time.Time) (waits []time.Duration, err error) {
	for {
		begun := time.Now()
		if err := w.once(ctx); err != nil {
			return waits, err
		}
		waits = append(waits, time.Since(begun))
		if time.Now().After(until) {
			return waits, nil
		}
	}
}

func (f benchFlags) print(env environment, x figure) error {
	if f.json {
		return env.printJSON(x)
	}
	_, err := fmt.Fprintf(env.stdout, "%-12s %4d clients  %9.0f/s  p50 %7.2f ms  p99 %7.2f ms\n", x.Work, x.Clients, x.PerSecond, x.P50, x.P99)
	return err
}
