// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/server"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

func TestMain(m *testing.M) { testkit.Parallel(m) }

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return fetch(t, req)
}

// fetch sends a request and reads the answer.
func fetch(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// TestRoutes checks that each service is at the paths that Sigstore clients use, and that there
// are no other paths.
func TestRoutes(t *testing.T) {
	t.Parallel()
	const evidence = "/api/v1/bundles/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	i := hallmarktest.New(t)
	if resp, body := get(t, i.URL+evidence); resp.StatusCode != 404 || strings.Contains(body, "no bundle of this digest") {
		t.Errorf("an evidence store that is not configured: %s", body)
	}
	i = hallmarktest.Start(t, hallmarktest.Options{Evidence: true})
	if resp, body := get(t, i.URL+evidence); resp.StatusCode != 404 || !strings.Contains(body, "no bundle of this digest") {
		t.Errorf("evidence store: %s", body)
	}
	for path, want := range map[string]int{
		"/api/v1/bundles/":                  400,
		"/evidence/lock":                    404,
		"/api/v2/trustBundle":               200,
		"/api/v2/configuration":             200,
		"/api/v1/rootCert":                  200,
		"/api/v2/checkpoint":                200,
		"/ct/checkpoint":                    200,
		"/api/v1/timestamp/certchain":       200,
		"/.well-known/openid-configuration": 200,
		"/trust/trusted_root.json":          200,
		"/trust/signing_config.v0.2.json":   200,
		"/healthz":                          200,
		"/metrics":                          200,
		"/":                                 200,
		"/trust/":                           404,
		"/trust/..%2fhallmark.yaml":         404,
		"/trust/%2e%2e/keys/ct.pem":         404,
		"/keys/ct.pem":                      404,
		"/rekor/journal":                    404,
		"/api/v2/tile/../../journal":        404,
		"/api/v1/log/entries":               404,
	} {
		resp, body := get(t, i.URL+path)
		if resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d: %.100s", path, resp.StatusCode, want, body)
		}
		if resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", path)
		}
	}
}

// TestRekorV1Clients shows that clients of Rekor v1 are told in their own words what the
// instance has.
func TestRekorV1Clients(t *testing.T) {
	t.Parallel()
	i := hallmarktest.New(t)
	for _, path := range []string{"/api/v1/log", "/api/v1/log/", "/api/v1/log/entries", "/api/v1/log/publicKey", "/api/v1/index/retrieve"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			req, err := http.NewRequest(method, i.URL+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			var told struct {
				Code    int    `json:"code"`
				Message string `json:"message"`
			}
			err = json.NewDecoder(resp.Body).Decode(&told)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusNotFound || told.Code != 404 || !strings.HasPrefix(told.Message, "this instance's log is Rekor v2: ") {
				t.Errorf("%s %s: %d %+v, %v", method, path, resp.StatusCode, told, err)
			}
		}
	}
}

// TestLogKeyOpensCheckpoint shows that the published key is one of the checkpoint's, with
// no witness configured, for readers that know notes alone.
func TestLogKeyOpensCheckpoint(t *testing.T) {
	t.Parallel()
	i := hallmarktest.New(t)
	_, key := get(t, i.URL+"/trust/rekor.vkey")
	_, envelope := get(t, i.URL+"/api/v2/checkpoint")
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open([]byte(envelope), note.VerifierList(verifier)); err != nil {
		t.Errorf("%v\n%s", err, envelope)
	}
}

// TestTrustFiles checks that an instance publishes the files that its clients pin, and that only
// 404 means that there is no log policy.
func TestTrustFiles(t *testing.T) {
	t.Parallel()
	i := hallmarktest.New(t)
	h := client.NewHTTP(time.Minute, nil)
	published, err := client.Trust(t.Context(), h, i.URL)
	if err != nil {
		t.Fatal(err)
	}
	if published.LogPolicy != nil {
		t.Errorf("a log policy of %s", published.LogPolicy.Quorum)
	}
	for name, c := range map[string]struct {
		status int
		body   string
		want   string // in the error; empty: none
	}{
		"there":     {http.StatusOK, "quorum none\n", ""},
		"gone":      {http.StatusGone, "", "410"},
		"broken":    {http.StatusInternalServerError, "", "500"},
		"empty":     {http.StatusOK, "", "malformed"},
		"malformed": {http.StatusOK, "quorum of friends\n", "malformed"},
		"too long":  {http.StatusOK, strings.Repeat("#\n", checkpoint.MaxWitnessPolicy), "too long"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if data, ok := published.File(path.Base(r.URL.Path)); ok {
				w.Write(data)
				return
			}
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}))
		got, err := client.Trust(t.Context(), h, s.URL)
		s.Close()
		if c.want == "" && (err != nil || got.LogPolicy == nil || got.Fingerprint() == published.Fingerprint()) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	i := hallmarktest.New(t)
	addEntry(t, i.URL)
	req, err := http.NewRequest("BREW", i.URL+"/coffee", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	_, text := get(t, i.URL+"/metrics")
	for _, want := range []string{
		`hallmark_http_requests_total{method="POST",service="rekor",status="201"} 1`,
		`hallmark_http_requests_total{method="other",service="none",status="404"} 1`,
		`hallmark_log_entries{log="rekor"} 1`,
		`hallmark_log_failed{log="ct"} 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

// hashedRekord returns a signature over new content.
func hashedRekord(t testing.TB) rekor.HashedRekord {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	alg, err := sigalg.ByName(sigalg.ECDSAP256SHA256)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(public)
	signature, err := alg.SignDigest(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return rekor.HashedRekord{Digest: digest[:], Signature: signature, Verifier: rekor.Verifier{PublicKey: public, KeyDetails: alg.Name}}
}

func addEntry(t testing.TB, url string) rekor.Entry {
	t.Helper()
	entry, err := client.Rekor{URL: url, HTTP: client.NewHTTP(time.Minute, nil)}.Add(t.Context(), hashedRekord(t))
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// lockedBuffer takes the server's log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestNoSecretsInLogs checks that no log line contains a token, valid or not, from a header, body
// or query.
func TestNoSecretsInLogs(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	i := hallmarktest.Start(t, hallmarktest.Options{Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	good := i.Token(t, "alice@example.com")
	bad := i.SignToken(t, map[string]any{"iss": i.URL, "aud": "other", "sub": "mallory"})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := client.NewHTTP(time.Minute, nil)
	if _, err := (client.Fulcio{URL: i.URL, Token: good, HTTP: h}).Certify(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if _, err := (client.Fulcio{URL: i.URL, Token: bad, HTTP: h}).Certify(t.Context(), key); err == nil {
		t.Fatal("a token for others was taken")
	}
	post(t, i.URL+"/api/v2/signingCert", fmt.Sprintf(`{"credentials":{"oidcIdentityToken":%q},"publicKeyRequest":{}}`, good))
	get(t, i.URL+"/login/authorize?id_token_hint="+good)
	text := log.String()
	if !strings.Contains(text, `"request_id":"`) {
		t.Fatalf("no request id in the log:\n%s", text)
	}
	for _, token := range []string{good, bad} {
		for _, part := range strings.Split(token, ".")[1:] {
			if strings.Contains(text, part) {
				t.Errorf("part of a token is in the log:\n%s", text)
			}
		}
	}
}

func post(t *testing.T, url, body string) int {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// TestShutdownLosesNothing shuts down the server while many clients append. Each acknowledged
// entry must be in the log that the next server opens, at its index.
func TestShutdownLosesNothing(t *testing.T) {
	t.Parallel()
	made, dir := newInstance(t)
	s, l := start(t, made)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()

	url := "http://" + l.Addr().String()
	const clients = 16
	answered := make([][]rekor.Entry, clients)
	sent := make([][]rekor.HashedRekord, clients)
	var answers atomic.Int64
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for {
				h := hashedRekord(t)
				entry, err := client.Rekor{URL: url, HTTP: &http.Client{Timeout: time.Minute}}.Add(ctx, h)
				if err != nil {
					return
				}
				answered[c], sent[c] = append(answered[c], entry), append(sent[c], h)
				answers.Add(1)
			}
		})
	}
	for deadline := time.Now().Add(time.Minute); answers.Load() < 10*clients && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("stopping: %v", err)
	}
	wg.Wait()

	made.Config.Dir = dir
	s, l = start(t, made)
	ctx, stop = context.WithCancel(context.Background())
	go func() { ended <- s.Serve(ctx, l) }()
	url = "http://" + l.Addr().String()
	total := 0
	for c := range clients {
		for n, h := range sent[c] {
			total++
			again, err := client.Rekor{URL: url, HTTP: client.NewHTTP(time.Minute, nil)}.Add(t.Context(), h)
			if err != nil || again.LogIndex != answered[c][n].LogIndex {
				t.Fatalf("entry %d was answered, and is now %d: %v", answered[c][n].LogIndex, again.LogIndex, err)
			}
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("stopping: %v", err)
	}
	if total == 0 {
		t.Error("no request was answered before the end")
	}
	t.Logf("%d entries", total)
}

func newInstance(t *testing.T) (*instance.Instance, string) {
	t.Helper()
	made, _, err := instance.New(instance.Options{
		URL: "http://127.0.0.1:7500", Listen: "127.0.0.1:0", Organization: "test", CAKey: "ecdsa-p256", Now: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	made.Config.Dir = t.TempDir()
	return made, made.Config.Dir
}

func start(t *testing.T, made *instance.Instance) (*server.Server, net.Listener) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Options{
		Instance: made, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, l
}

// TestOneServer checks that a directory can only have one server.
func TestOneServer(t *testing.T) {
	t.Parallel()
	made, _ := newInstance(t)
	s, l := start(t, made)
	defer l.Close()
	defer s.Close(t.Context())
	if _, err := server.New(server.Options{Instance: made, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}); err == nil {
		t.Fatal("a second server opened the same logs")
	}
}
