// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/hallmark-sign/hallmark/bench"
	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/signing"
	"github.com/hallmark-sign/hallmark/internal/trusting"
	"github.com/hallmark-sign/hallmark/trust"
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

// A Measurement asks a running instance for what it does, from this machine.
type Measurement struct {
	Trust    trusting.Selection
	Login    signing.Login
	Clients  int           // that ask at once
	Runs     int           // of each command
	Duration time.Duration // of each measurement
}

// Run measures entries, timestamps, certificates and whole commands.
func (f Measurement) Run(ctx context.Context, env cli.Environment) error {
	if f.Clients < 1 || f.Runs < 1 {
		return &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Err: fmt.Errorf("--clients and --runs are at least 1")}
	}
	s, roots, err := f.services(env, &http.Transport{MaxConnsPerHost: f.Clients})
	if err != nil {
		return err
	}
	id, err := f.Login.Token(ctx, env, s.OIDC, roots)
	if err != nil {
		return err
	}
	works, err := worksOf(s, id)
	if err != nil {
		return err
	}
	for _, w := range works {
		for _, clients := range []int{1, f.Clients} {
			if err := f.measure(ctx, env, w, clients); err != nil {
				return err
			}
		}
	}
	return f.commands(ctx, env, id)
}

// Log measures the transparency log alone.
func (f Measurement) Log(ctx context.Context, env cli.Environment) error {
	env.CollectLess()
	s, _, err := f.services(env, &http.Transport{MaxConnsPerHost: manyClients, ReadBufferSize: readBuffer})
	if err == nil && len(s.Rekor) == 0 {
		err = client.ErrNoService
	}
	if err != nil {
		return err
	}
	log := s.Rekor[0].URL
	entries, err := bench.Entries(s.Fulcio.HTTP, log, int(manyPerSecond*3*f.Duration.Seconds()))
	if err != nil {
		return err
	}
	for _, clients := range []int{1, f.Clients, manyClients} {
		if err := f.measure(ctx, env, entries, clients); err != nil {
			return err
		}
	}
	tiles, err := bench.Tiles(ctx, s.Fulcio.HTTP, log+"/api/v2")
	if err != nil {
		return err
	}
	return f.measure(ctx, env, tiles, f.Clients)
}

// services returns the services of the instance, to be reached by connections that are not
// retried and all kept, and the certificate authorities of its TLS.
func (f Measurement) services(env cli.Environment, t *http.Transport) (*client.Services, *x509.CertPool, error) {
	config, err := f.Trust.Config(env)
	if err != nil {
		return nil, nil, err
	}
	roots, err := f.Trust.Authorities(env)
	if err != nil {
		return nil, nil, err
	}
	t.TLSClientConfig, t.MaxIdleConnsPerHost = &tls.Config{RootCAs: roots}, t.MaxConnsPerHost
	h := env.HTTP(roots, time.Minute)
	h.Transport = t
	s, err := client.Open(config, time.Now(), h)
	return s, roots, err
}

func (f Measurement) measure(ctx context.Context, env cli.Environment, w bench.Work, clients int) error {
	figure, err := bench.Measure(ctx, w, clients, f.Duration)
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
func (f Measurement) commands(ctx context.Context, env cli.Environment, id signing.Token) error {
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
	root, err := f.Trust.Path(env, f.Trust.TrustedRoot, trust.RootFile)
	if err != nil {
		return err
	}
	config, err := f.Trust.Path(env, f.Trust.SigningConfig, trust.SigningConfigFile)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"hallmark sign", []string{"sign", file, "--identity-token", token, "--trusted-root", root, "--signing-config", config}},
		{"hallmark verify", []string{"verify", file, "--identity", id.Challenge, "--issuer", id.Issuer, "--trusted-root", root}},
	} {
		figure, err := bench.Command(ctx, c.name, f.Runs, program, c.args...)
		if err != nil {
			return err
		}
		if err := f.print(env, figure); err != nil {
			return err
		}
	}
	return nil
}

func (f Measurement) print(env cli.Environment, x bench.Figure) error {
	if env.JSON {
		return env.PrintJSON(x)
	}
	_, err := fmt.Fprintln(env.Stdout, x)
	return err
}
