// SPDX-License-Identifier: Apache-2.0

package rekorlog

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

const origin = "log.example.com"

func testOptions(t testing.TB) Options {
	t.Helper()
	return Options{
		Dir: filepath.Join(t.TempDir(), "rekor"), Origin: origin, Key: testkit.P256(t),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func mustNew(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(context.Background()) })
	return l
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// request returns a client's request with a signature over message.
func request(t testing.TB, key crypto.Signer, message string) []byte {
	t.Helper()
	digest := sha256.Sum256([]byte(message))
	alg, err := sigalg.ByName(sigalg.ECDSAP256SHA256)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := alg.SignDigest(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := rekor.MarshalRequest(rekor.HashedRekord{
		Digest: digest[:], Signature: sig, Verifier: rekor.Verifier{PublicKey: der, KeyDetails: alg.Name},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func post(l *Log, contentType string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/api/v2/log/entries", body)
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	l.Handler().ServeHTTP(w, r)
	return w
}

// mustPost posts a request and verifies the response as a client does.
func mustPost(t testing.TB, l *Log, key crypto.PublicKey, body []byte) rekor.Entry {
	t.Helper()
	w := post(l, "application/json; charset=utf-8", bytes.NewReader(body))
	if w.Code != http.StatusCreated || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	e, err := rekor.ParseEntry(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	v, err := checkpoint.NewVerifier(origin, key)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := checkpoint.Open(e.Proof.Checkpoint, v)
	if err != nil {
		t.Fatal(err)
	}
	logID, err := checkpoint.LogID(origin, key)
	if err != nil {
		t.Fatal(err)
	}
	if c.Origin != origin || c.Size != e.Proof.Size || c.Root != e.Proof.Root || e.Proof.Index != e.LogIndex || !bytes.Equal(e.LogID, logID) {
		t.Fatalf("%+v with checkpoint %+v", e, c)
	}
	if err := e.Proof.Verify(c.Root, tile.LeafHash(e.CanonicalizedBody)); err != nil {
		t.Fatal(err)
	}
	h, err := rekor.ParseRequest(body)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := h.Body(); err != nil || !bytes.Equal(e.CanonicalizedBody, want) {
		t.Fatalf("body %s, %v", e.CanonicalizedBody, err)
	}
	return e
}

func TestPost(t *testing.T) {
	o := testOptions(t)
	l := mustNew(t, o)
	key := testkit.P256(t)
	first := request(t, key, "hello")
	if e := mustPost(t, l, o.Key.Public(), first); e.LogIndex != 0 || !e.IntegratedTime.IsZero() {
		t.Errorf("%+v", e)
	}
	if e := mustPost(t, l, o.Key.Public(), request(t, key, "world")); e.LogIndex != 1 {
		t.Errorf("%+v", e)
	}
	if e := mustPost(t, l, o.Key.Public(), first); e.LogIndex != 0 || e.Proof.Size != 2 {
		t.Errorf("again: %+v", e)
	}
	mustClose(t, l)
	l = mustNew(t, o)
	if e := mustPost(t, l, o.Key.Public(), first); e.LogIndex != 0 || l.Size() != 2 {
		t.Errorf("after a restart: %+v", e)
	}
}

func TestConcurrentPosts(t *testing.T) {
	o := testOptions(t)
	l := mustNew(t, o)
	key := testkit.P256(t)
	var wg sync.WaitGroup
	for i := range 32 {
		body := request(t, key, string(rune('a'+i/2)))
		wg.Go(func() {
			a, b := mustPost(t, l, o.Key.Public(), body), mustPost(t, l, o.Key.Public(), body)
			if a.LogIndex != b.LogIndex {
				t.Errorf("%d and %d", a.LogIndex, b.LogIndex)
			}
		})
	}
	wg.Wait()
	if l.Size() != 32 {
		t.Errorf("size %d", l.Size())
	}
}

func TestReads(t *testing.T) {
	o := testOptions(t)
	l := mustNew(t, o)
	e := mustPost(t, l, o.Key.Public(), request(t, testkit.P256(t), "hello"))
	mustClose(t, l) // publishes
	l = mustNew(t, o)
	get := func(path string) []byte {
		w := httptest.NewRecorder()
		l.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
		return w.Body.Bytes()
	}
	if got := get("/api/v2/checkpoint"); !bytes.Equal(got, e.Proof.Checkpoint) {
		t.Errorf("checkpoint %s", got)
	}
	entries, err := tile.SplitEntries(get("/api/v2/tile/entries/000.p/1"))
	if err != nil || len(entries) != 1 || !bytes.Equal(entries[0], e.CanonicalizedBody) {
		t.Errorf("%q, %v", entries, err)
	}
	if leaf := tile.LeafHash(e.CanonicalizedBody); !bytes.Equal(get("/api/v2/tile/0/000.p/1"), leaf[:]) {
		t.Error("tile differs")
	}
	for _, path := range []string{"/api/v2/", "/api/v2/tile/data/000.p/1", "/api/v2/journal", "/checkpoint", "/api/v2/log"} {
		w := httptest.NewRecorder()
		l.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// mangle replaces a part of a request.
func mangle(t *testing.T, body []byte, old, new string) io.Reader {
	t.Helper()
	if !bytes.Contains(body, []byte(old)) {
		t.Fatalf("%s is not in %s", old, body)
	}
	return strings.NewReader(strings.Replace(string(body), old, new, 1))
}

func TestProblems(t *testing.T) {
	l := mustNew(t, testOptions(t))
	good := request(t, testkit.P256(t), "hello")
	otherKey := request(t, testkit.P256(t), "hello")
	member := func(body []byte, name string) string {
		_, rest, _ := strings.Cut(string(body), `"`+name+`":"`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	const malformed = "request is not a valid hashedRekordRequestV002 or dsseRequestV002"
	for name, c := range map[string]struct {
		contentType string
		body        io.Reader
		status      int
		message     string
	}{
		"empty":              {"application/json", strings.NewReader(""), 400, malformed},
		"truncated":          {"application/json", bytes.NewReader(good[:50]), 400, malformed},
		"trailing data":      {"application/json", io.MultiReader(bytes.NewReader(good), strings.NewReader("{}")), 400, malformed},
		"unknown member":     {"application/json", mangle(t, good, `"digest"`, `"x":1,"digest"`), 400, malformed},
		"doubled member":     {"application/json", mangle(t, good, `"digest"`, `"digest":"AA==","digest"`), 400, malformed},
		"pure Ed25519":       {"application/json", mangle(t, good, sigalg.ECDSAP256SHA256, sigalg.Ed25519), 400, "keyDetails names no supported algorithm with a hash; pure Ed25519 can't be logged"},
		"digest too short":   {"application/json", mangle(t, good, member(good, "digest"), "AAAA"), 400, "digest is not as long as the hash of keyDetails"},
		"key of other kind":  {"application/json", mangle(t, good, sigalg.ECDSAP256SHA256, "PKIX_RSA_PKCS1V15_2048_SHA256"), 400, "verifier is not a key or certificate of the kind that keyDetails names"},
		"key is garbage":     {"application/json", mangle(t, good, member(good, "rawBytes"), "AAAA"), 400, "verifier is not a key or certificate of the kind that keyDetails names"},
		"another's key":      {"application/json", mangle(t, good, member(good, "rawBytes"), member(otherKey, "rawBytes")), 400, "signature does not verify with the verifier over the digest"},
		"signature too long": {"application/json", mangle(t, good, member(good, "content"), strings.Repeat("AAAA", 1<<15)), 400, "entry is larger than 64 KiB"},
		"form":               {"application/x-www-form-urlencoded", bytes.NewReader(good), 415, "content type must be application/json"},
		"no content type":    {"", bytes.NewReader(good), 415, "content type must be application/json"},
		"a million parts":    {"text/plain" + strings.Repeat(";a=b", 1<<20), bytes.NewReader(good), 415, "content type must be application/json"},
		"over the limit":     {"application/json", bytes.NewReader(make([]byte, rekor.MaxRequest+1)), 413, "request is larger than 8 MiB"},
		"body breaks off":    {"application/json", iotest.ErrReader(io.ErrUnexpectedEOF), 400, "request body ended early"},
	} {
		w := post(l, c.contentType, c.body)
		want, err := json.Marshal(map[string]any{"code": 3, "message": c.message, "details": []string{}})
		if err != nil {
			t.Fatal(err)
		}
		var got, wanted any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %s", name, w.Body)
		}
		if err := json.Unmarshal(want, &wanted); err != nil {
			t.Fatal(err)
		}
		gotJSON, _ := json.Marshal(got)
		wantJSON, _ := json.Marshal(wanted)
		if w.Code != c.status || !bytes.Equal(gotJSON, wantJSON) {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, c.status, want)
		}
	}
	if l.Size() != 0 {
		t.Errorf("%d refused entries were logged", l.Size())
	}
}

func TestMethodNotAllowed(t *testing.T) {
	l := mustNew(t, testOptions(t))
	w := httptest.NewRecorder()
	l.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/api/v2/log/entries", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" || !strings.Contains(w.Body.String(), `"code":12`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// TestEntryTooLarge checks that an entry of more than 64 KiB, the maximum of an entry bundle, is
// refused.
func TestEntryTooLarge(t *testing.T) {
	l := mustNew(t, testOptions(t))
	key := testkit.P256(t)
	template := &x509.Certificate{DNSNames: []string{strings.Repeat("a", 60_000)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	h, err := rekor.ParseRequest(request(t, key, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	h.Verifier.PublicKey, h.Verifier.Certificate = nil, der
	raw, err := rekor.MarshalRequest(h)
	if err != nil {
		t.Fatal(err)
	}
	w := post(l, "application/json", bytes.NewReader(raw))
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "entry is larger than 64 KiB") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestUnavailable(t *testing.T) {
	l := mustNew(t, testOptions(t))
	mustClose(t, l)
	w := post(l, "application/json", bytes.NewReader(request(t, testkit.P256(t), "hello")))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"code":14`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// TestCauseIsLogged checks that the cause of a refusal is in the server's log, not in the
// response.
func TestCauseIsLogged(t *testing.T) {
	o := testOptions(t)
	var logged bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	l := mustNew(t, o)
	w := post(l, "application/json", mangle(t, request(t, testkit.P256(t), "hello"), sigalg.ECDSAP256SHA256, "PKIX_ROT13"))
	if !strings.Contains(logged.String(), "PKIX_ROT13") || strings.Contains(w.Body.String(), "PKIX_ROT13") {
		t.Errorf("logged %s, answered %s", logged.String(), w.Body)
	}
}

// TestCauseIsCut checks that untrusted text, such as the names that x509 quotes, can't make a
// log line long.
func TestCauseIsCut(t *testing.T) {
	o := testOptions(t)
	var logged bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	l := mustNew(t, o)
	post(l, "application/json", mangle(t, request(t, testkit.P256(t), "hello"), `"digest"`, `"`+strings.Repeat("x", 100_000)+`":1,"digest"`))
	if n := logged.Len(); n == 0 || n > 2000 {
		t.Errorf("%d bytes in the log", n)
	}
}

// BenchmarkPost measures adding entries over HTTP, with 64 clients on this machine.
func BenchmarkPost(b *testing.B) {
	l := mustNew(b, testOptions(b))
	server := httptest.NewServer(l.Handler())
	defer server.Close()
	client := server.Client()
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	key := testkit.P256(b)
	bodies := make([][]byte, b.N)
	for i := range bodies {
		bodies[i] = request(b, key, "hello")
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				r, err := client.Post(server.URL+"/api/v2/log/entries", "application/json", bytes.NewReader(bodies[i]))
				if err != nil {
					b.Error(err)
					return
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != http.StatusCreated {
					b.Errorf("%s, %v", r.Status, err)
				}
				r.Body.Close()
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
