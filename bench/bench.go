// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// A Work is one operation to be measured. Once does it, and is called concurrently.
type Work struct {
	Name string
	Once func(context.Context) error
}

// A Figure is the result of a measurement; times in milliseconds.
type Figure struct {
	Work      string  `json:"work"`
	Clients   int     `json:"clients"`
	Answers   int     `json:"answers"`
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50ms"`
	P99       float64 `json:"p99ms"`
}

// String returns the figure as a line.
func (f Figure) String() string {
	return fmt.Sprintf("%-18s %3d at once  %8.0f/s  p50 %8.2f ms  p99 %8.2f ms", f.Work, f.Clients, f.PerSecond, f.P50, f.P99)
}

// Entries returns work that logs a new signature each time, all with one key. It prepares the
// given number of requests in advance, so that the cost of signing is not measured while they
// last.
func Entries(h *http.Client, log string, ready int) (Work, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Work{}, err
	}
	requests := make(chan []byte, ready)
	for range ready {
		body, err := entryRequest(key)
		if err != nil {
			return Work{}, err
		}
		requests <- body
	}
	return Work{"log entry", func(ctx context.Context) error {
		var body []byte
		select {
		case body = <-requests:
		default:
			var err error
			if body, err = entryRequest(key); err != nil {
				return err
			}
		}
		return post(ctx, h, log+"/api/v2/log/entries", body, http.StatusCreated)
	}}, nil
}

func entryRequest(key *ecdsa.PrivateKey) ([]byte, error) {
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	alg, err := sigalg.ByName(sigalg.ECDSAP256SHA256)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(rand.Text()))
	signature, err := alg.SignDigest(rand.Reader, key, digest[:])
	if err != nil {
		return nil, err
	}
	return rekor.MarshalRequest(rekor.HashedRekord{
		Digest: digest[:], Signature: signature, Verifier: rekor.Verifier{PublicKey: public, KeyDetails: alg.Name},
	})
}

// Timestamps returns work that timestamps random bytes of a signature's length.
func Timestamps(t sign.Timestamper) Work {
	signature := make([]byte, 71)
	return Work{"timestamp", func(ctx context.Context) error {
		_, err := t.Timestamp(ctx, signature)
		return err
	}}
}

// Certificates returns work that sends the same request for a certificate repeatedly, so that
// the client's keys and proofs cost nothing.
func Certificates(h *http.Client, authority, token, challenge string) (Work, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Work{}, err
	}
	proof, err := fulcio.SignProof(rand.Reader, key, challenge)
	if err != nil {
		return Work{}, err
	}
	body, err := fulcio.Request{Token: token, PublicKey: key.Public(), ProofOfPossession: proof}.Marshal()
	if err != nil {
		return Work{}, err
	}
	return Work{"certificate", func(ctx context.Context) error {
		return post(ctx, h, authority+"/api/v2/signingCert", body, http.StatusOK)
	}}, nil
}

// post sends one request, and returns an error for another status than want.
func post(ctx context.Context, h *http.Client, url string, body []byte, want int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := h.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

// Measure runs the work with a number of clients for a while, after one try.
func Measure(ctx context.Context, w Work, clients int, d time.Duration) (Figure, error) {
	if err := w.Once(ctx); err != nil {
		return Figure{}, fmt.Errorf("measuring %s: %w", w.Name, err)
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
	if first != nil {
		return Figure{}, fmt.Errorf("measuring %s: %w", w.Name, first)
	}
	return figure(w.Name, clients, waits, time.Since(start)), nil
}

func repeat(ctx context.Context, w Work, until time.Time) (waits []time.Duration, err error) {
	for {
		begun := time.Now()
		if err := w.Once(ctx); err != nil {
			return waits, err
		}
		waits = append(waits, time.Since(begun))
		if time.Now().After(until) {
			return waits, nil
		}
	}
}

func figure(name string, clients int, waits []time.Duration, took time.Duration) Figure {
	slices.Sort(waits)
	at := func(q float64) float64 { return waits[int(q*float64(len(waits)-1))].Seconds() * 1000 }
	return Figure{
		Work: name, Clients: clients, Answers: len(waits), PerSecond: float64(len(waits)) / took.Seconds(),
		P50: at(0.5), P99: at(0.99),
	}
}

// Command runs a program repeatedly as a whole process, and measures the time that a user
// waits.
func Command(ctx context.Context, name string, runs int, program string, args ...string) (Figure, error) {
	var waits []time.Duration
	start := time.Now()
	for range runs {
		cmd := exec.CommandContext(ctx, program, args...)
		begun := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return Figure{}, fmt.Errorf("measuring %s: %w: %s", name, err, out)
		}
		waits = append(waits, time.Since(begun))
	}
	return figure(name, 1, waits, time.Since(start)), nil
}
