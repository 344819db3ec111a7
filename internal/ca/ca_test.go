// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/ceremony"
	"github.com/hallmark-sign/hallmark/internal/ctlog"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

const (
	goodToken = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.good"
	challenge = "alice@example.com"

	otherChallenge = "user-7" // sub
)

func alice() identity.Identity {
	return identity.Identity{
		Issuer: "https://login.example.com", Subject: identity.Subject{Type: identity.Email, Value: challenge},
	}
}

// An away is the error of a checker whose issuer is unreachable.
type away struct{}

func (away) Error() string     { return "asking issuer: connection refused" }
func (away) Unavailable() bool { return true }

// A tokens is a Tokens with fixed results.
type tokens map[string]func(context.Context) (identity.Identity, error)

func (t tokens) Explain(ctx context.Context, token string) (fulcio.Explanation, error) {
	id, _, err := t.Check(ctx, token)
	return fulcio.Explanation{Fields: []fulcio.ExplainedField{{Name: "subject (email)", Value: id.Subject.Value, From: []string{"email"}}}}, err
}

func (t tokens) Check(ctx context.Context, token string) (identity.Identity, []string, error) {
	check, ok := t[token]
	if !ok {
		return identity.Identity{}, nil, errors.New("signature does not verify")
	}
	id, err := check(ctx)
	return id, []string{challenge, otherChallenge}, err
}

func is(id identity.Identity) func(context.Context) (identity.Identity, error) {
	return func(context.Context) (identity.Identity, error) { return id, nil }
}

func fails(err error) func(context.Context) (identity.Identity, error) {
	return func(context.Context) (identity.Identity, error) { return identity.Identity{}, err }
}

// A recorder is a CT log that remembers the last precertificate.
type recorder struct {
	CTLog
	mu      sync.Mutex
	precert []byte
}

func (r *recorder) AddPrecert(ctx context.Context, precert []byte, chain []*x509.Certificate) (sct.SCT, error) {
	r.mu.Lock()
	r.precert = bytes.Clone(precert)
	r.mu.Unlock()
	return r.CTLog.AddPrecert(ctx, precert, chain)
}

// A lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// An instance is an authority with a real CT log, on a real socket.
type instance struct {
	*Authority
	options Options
	url     string
	ct      *ctlog.Log
	ctKey   crypto.PublicKey
	added   *recorder
	log     *lines
	now     time.Time // the clock's time; set it between requests
}

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newChain returns an intermediate for key, valid for three years, under a root valid for ten.
func newChain(t testing.TB, key crypto.PublicKey, start time.Time) []*x509.Certificate {
	t.Helper()
	rootKey := testkit.Key(t, elliptic.P384())
	root, err := ceremony.Root(rootKey, "example.com", "Example root", trust.Validity{Start: start, End: start.AddDate(10, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	intermediate, err := ceremony.Intermediate(root, rootKey, key, "Example CA", trust.Validity{Start: start, End: start.AddDate(3, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{intermediate, root}
}

func newInstance(t testing.TB, key crypto.Signer) *instance {
	t.Helper()
	i := &instance{now: time.Now(), log: new(lines)}
	logger := slog.New(slog.NewTextHandler(i.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctKey := testkit.P256(t)
	i.ctKey = ctKey.Public()
	var err error
	i.ct, err = ctlog.New(ctlog.Options{
		Dir: filepath.Join(t.TempDir(), "ct"), Origin: "ct.example.com/ct", Key: ctKey, Clock: time.Now, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.ct.Close(context.Background()) })
	i.added = &recorder{CTLog: i.ct}
	i.options = Options{
		Key: key, Chain: newChain(t, key.Public(), i.now.Add(-time.Hour)), Tokens: tokens{goodToken: is(alice())}, CTLog: i.added,
		Configuration: func() fulcio.Configuration {
			return fulcio.Configuration{Issuers: []fulcio.Issuer{
				{URL: "https://login.example.com", Audience: "sigstore", ChallengeClaim: "email", Type: "email"},
			}}
		},
		Clock: func() time.Time { return i.now }, Logger: logger,
	}
	if i.Authority, err = New(i.options); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(i.Handler())
	server.Config.MaxHeaderBytes = 16 << 20 // so that long headers reach the handler
	server.Start()
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func request(t testing.TB, key crypto.Signer) fulcio.Request {
	t.Helper()
	proof, err := fulcio.SignProof(rand.Reader, key, challenge)
	if err != nil {
		t.Fatal(err)
	}
	return fulcio.Request{Token: goodToken, PublicKey: key.Public(), ProofOfPossession: proof}
}

func marshal(t testing.TB, r fulcio.Request) string {
	t.Helper()
	body, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// An answer is a response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (i *instance) post(t testing.TB, path, body string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for n := 0; n < len(header); n += 2 {
		if r.Header.Get(header[n]) != "" && header[n] == "Authorization" {
			r.Header.Add(header[n], header[n+1])
		} else {
			r.Header.Set(header[n], header[n+1])
		}
	}
	return i.do(t, r)
}

func (i *instance) do(t testing.TB, r *http.Request) answer {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, body}
}

func (i *instance) get(t testing.TB, path string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return i.do(t, r)
}

// mustIssue requests a certificate over the socket, and returns the chain.
func (i *instance) mustIssue(t testing.TB, r fulcio.Request) []*x509.Certificate {
	t.Helper()
	a := i.post(t, "/api/v2/signingCert", marshal(t, r))
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	chain, err := fulcio.ParseResponse(a.body)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}
