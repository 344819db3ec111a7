// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/bench"
	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/signing"
	"github.com/hallmark-sign/hallmark/internal/trusting"
	"github.com/hallmark-sign/hallmark/trust"
)

// benchFlags are those of bench.
type benchFlags struct {
	trust    trusting.Selection
	token    signing.Login
	clients  int
	runs     int
	duration time.Duration
}

func benchCommand(env cli.Environment) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what a running instance does on this machine",
		Long: `Asks a running instance for log entries, timestamps and certificates, and runs whole
commands, sign and verify; prints what one client waits for, and what many get together.
The load comes from this machine, so its own work is part of every figure. Entries stay in
the log: measure an instance that you can throw away.

Certificates and commands need an ID token.`,
		Example: `  hallmark bench --email alice@example.com --password-file password.txt
  hallmark bench --instance work --identity-token token.txt --clients 64 --duration 5s`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), env) },
	}
	cmd.AddCommand(benchLogCommand(env))
	addTrust(cmd, &f.trust, true)
	addCACert(cmd, &f.trust)
	addToken(cmd, &f.token)
	cmd.Flags().IntVar(&f.clients, "clients", 64, "how many ask at once")
	cmd.Flags().IntVar(&f.runs, "runs", 20, "how often each command is run")
	cmd.Flags().DurationVar(&f.duration, "duration", 3*time.Second, "how long each measurement takes")
	return cmd
}

func (f benchFlags) run(ctx context.Context, env cli.Environment) error {
	if f.clients < 1 || f.runs < 1 {
		return &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Err: fmt.Errorf("--clients and --runs are at least 1")}
	}
	config, err := f.trust.Config(env)
	if err != nil {
		return err
	}
	roots, err := f.trust.Authorities(env)
	if err != nil {
		return err
	}
	h := env.HTTP(roots, time.Minute)
	h.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: f.clients, MaxConnsPerHost: f.clients}
	s, err := client.Open(config, time.Now(), h)
	if err != nil {
		return err
	}
	id, err := f.token.Token(ctx, env, s.OIDC, roots)
	if err != nil {
		return err
	}
	works, err := worksOf(s, id)
	if err != nil {
		return err
	}
	for _, w := range works {
		for _, clients := range []int{1, f.clients} {
			if err := f.measure(ctx, env, w, clients); err != nil {
				return err
			}
		}
	}
	return f.commands(ctx, env, id)
}

func (f benchFlags) measure(ctx context.Context, env cli.Environment, w bench.Work, clients int) error {
	figure, err := bench.Measure(ctx, w, clients, f.duration)
	if err != nil {
		return err
	}
	return f.print(env, figure)
}

func worksOf(s *client.Services, id signing.Token) ([]bench.Work, error) {
	if len(s.Rekor) == 0 || len(s.TSA) == 0 {
		return nil, client.ErrNoService
	}
	entries, err := bench.Entries(s.Fulcio.HTTP, s.Rekor[0].URL, 0)
	if err != nil {
		return nil, err
	}
	certificates, err := bench.Certificates(s.Fulcio.HTTP, s.Fulcio.URL, id.Raw, id.Challenge)
	if err != nil {
		return nil, err
	}
	return []bench.Work{entries, bench.Timestamps(s.TSA[0]), certificates}, nil
}

// commands measures sign and verify of a small file, as processes of their own.
func (f benchFlags) commands(ctx context.Context, env cli.Environment, id signing.Token) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "hallmark-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, token := filepath.Join(dir, "file"), filepath.Join(dir, "token")
	for path, text := range map[string]string{file: "what is signed\n", token: id.Raw} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	root, err := f.trust.Path(env, f.trust.TrustedRoot, trust.RootFile)
	if err != nil {
		return err
	}
	signing, err := f.trust.Path(env, f.trust.SigningConfig, trust.SigningConfigFile)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"hallmark sign", []string{"sign", file, "--identity-token", token, "--trusted-root", root, "--signing-config", signing}},
		{"hallmark verify", []string{"verify", file, "--identity", id.Challenge, "--issuer", id.Issuer, "--trusted-root", root}},
	} {
		figure, err := bench.Command(ctx, c.name, f.runs, program, c.args...)
		if err != nil {
			return err
		}
		if err := f.print(env, figure); err != nil {
			return err
		}
	}
	return nil
}

func (f benchFlags) print(env cli.Environment, x bench.Figure) error {
	if env.JSON {
		return env.PrintJSON(x)
	}
	_, err := fmt.Fprintln(env.Stdout, x)
	return err
}
