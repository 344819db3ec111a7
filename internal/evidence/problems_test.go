// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/evidence"
	"github.com/hallmark-sign/hallmark/wire/attestations"
	"github.com/hallmark-sign/hallmark/wire/rpcstatus"
)

const subject = "/api/v1/bundles/sha256:"

// asked sends a request unchanged and returns the status and message of the response.
func asked(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r) // does not follow redirects
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	refusal, err := rpcstatus.Parse(body)
	if err != nil && resp.StatusCode >= 400 {
		t.Errorf("%s: %s", r.URL, body)
	}
	return resp.StatusCode, refusal.Message
}

func request(t *testing.T, method, url, contentType string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	return r
}

// TestProblems checks that every refusal has GitHub's form and a fixed text.
func TestProblems(t *testing.T) {
	t.Parallel()
	root := hallmarktest.New(t)
	e := open(t, root.Root, t.TempDir(), 1<<30)
	_, good := signed(t, root, "content")
	url := e.URL + subject + strings.Repeat("0a", 32)
	const asJSON = "application/json"
	for name, c := range map[string]struct {
		method, url, contentType, body string
		status                         int
		message                        string
	}{
		"nothing there":    {"GET", url, "", "", 404, attestations.NotFound},
		"method":           {"DELETE", url, "", "", 405, "GET"},
		"no type":          {"POST", url, "", "{}", 415, "application/json"},
		"form":             {"POST", url, "application/x-www-form-urlencoded", "{}", 415, "application/json"},
		"empty":            {"POST", url, asJSON, "", 400, "bundle"},
		"not JSON":         {"POST", url, asJSON, "bundle", 400, "bundle"},
		"more members":     {"POST", url, asJSON, fmt.Sprintf(`{"bundle":%s,"more":{}}`, good), 400, "bundle"},
		"two bundles":      {"POST", url, asJSON, fmt.Sprintf(`{"bundle":%s,"bundle":%s}`, good, good), 400, "bundle"},
		"something behind": {"POST", url, asJSON, fmt.Sprintf(`{"bundle":%s} {}`, good), 400, "bundle"},
		"no Sigstore":      {"POST", url, asJSON, `{"bundle":{}}`, 422, "v0.3"},
		"another's":        {"POST", url, asJSON, fmt.Sprintf(`{"bundle":%s}`, good), 422, "artifact-mismatch"},
		"deep":             {"POST", url, asJSON, `{"bundle":{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}}`, 400, "bundle"},
		"many names":       {"POST", url, asJSON, `{"bundle":{` + strings.Repeat(`"a":1,`, 1<<20) + `"b":1}}`, 422, "v0.3"},
		"per_page":         {"GET", url + "?per_page=101", "", "", 400, "per_page"},
		"no number":        {"GET", url + "?after=x", "", "", 400, "per_page"},
		"negative":         {"GET", url + "?before=-1", "", "", 400, "per_page"},
		"both ways":        {"GET", url + "?before=3&after=1", "", "", 400, "per_page"},
		"bad query":        {"GET", url + "?%zz", "", "", 400, "per_page"},
	} {
		status, message := asked(t, request(t, c.method, c.url, c.contentType, strings.NewReader(c.body)))
		if status != c.status || !strings.Contains(message, c.message) {
			t.Errorf("%s: %d %s", name, status, message)
		}
	}
}

// TestPaths checks that only digests are accepted, so that no path leads out of the store.
func TestPaths(t *testing.T) {
	t.Parallel()
	root := hallmarktest.New(t)
	dir := t.TempDir()
	e := open(t, root.Root, dir, 1<<30)
	before := tree(t, dir)
	hex := strings.Repeat("0a", 32)
	_, raw := signed(t, root, "content")
	for _, path := range []string{
		"sha256:", "sha256:0a", "sha256:" + strings.ToUpper(hex), "sha256:" + hex + "0a", "sha512:" + hex + hex, hex, "sha1:" + hex[:40],
		"sha256:" + hex + "/..", "sha256:" + hex + "%2f..", "sha256:..%2f..%2f..%2fetc%2fpasswd", "sha256:%2e%2e%2f%2e%2e%2ftmp", "%2e%2e%2flock",
		"sha256:" + hex + "%00", "sha256:" + hex + "%0a", "sha256%3a" + hex + "%20", "", "sha256:" + hex + "/more",
	} {
		for _, method := range []string{"GET", "POST"} {
			r := request(t, method, e.URL+"/api/v1/bundles/"+path, "application/json", strings.NewReader(fmt.Sprintf(`{"bundle":%s}`, raw)))
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest && resp.StatusCode/100 != 3 {
				t.Errorf("%s %q: %s", method, path, resp.Status)
			}
		}
	}
	if after := tree(t, dir); after != before {
		t.Errorf("the store has now %s", after)
	}
}

// tree returns the names of everything below dir.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// An endless is a body that counts how much of it was read.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += int64(len(p))
	return len(p), nil
}

// TestOversized checks that a body with a length above the limit is refused before it is read,
// and one without a length once it exceeds the limit.
func TestOversized(t *testing.T) {
	t.Parallel()
	root := hallmarktest.New(t)
	s := newStore(t, root, t.TempDir())
	for name, declared := range map[string]int64{"declared": attestations.MaxBundle + 1<<20, "chunked": -1} {
		body := new(endless)
		r := httptest.NewRequest("POST", subject+strings.Repeat("0a", 32), body)
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = declared
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge || declared > 0 && body.read > 0 || body.read > attestations.MaxBundle+1<<20 {
			t.Errorf("%s: %d after %d bytes: %s", name, w.Code, body.read, w.Body)
		}
	}
}

func newStore(t testing.TB, root *hallmarktest.Instance, dir string) *evidence.Store {
	t.Helper()
	s, err := evidence.New(evidence.Options{Dir: dir, URL: "http://sign.example.com", Root: root.Root, MaxBytes: 1 << 30, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestCauseIsLogged checks that the cause of a refusal is logged, with bounded length.
func TestCauseIsLogged(t *testing.T) {
	t.Parallel()
	root := hallmarktest.New(t)
	var log bytes.Buffer
	s, err := evidence.New(evidence.Options{Dir: t.TempDir(), Root: root.Root, MaxBytes: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := httptest.NewRequest("POST", subject+strings.Repeat("0a", 32), strings.NewReader(`{"bundle":{"mediaType":"`+strings.Repeat("x", 4000)+`"}}`))
	r.Header.Set("Content-Type", "application/json")
	s.Handler().ServeHTTP(httptest.NewRecorder(), r)
	if text := log.String(); !strings.Contains(text, "media type") || len(text) > 1500 {
		t.Errorf("logged %q", text)
	}
}

// FuzzPost checks that every response has the API's form, and that only bundles that verify
// are stored.
func FuzzPost(f *testing.F) {
	root := hallmarktest.New(f)
	digest, raw := signed(f, root, "content")
	s := newStore(f, root, f.TempDir())
	good := fmt.Appendf(nil, `{"bundle":%s}`, raw)
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("v0.3"), []byte("v0.1"), 1))
	f.Add([]byte(`{"bundle":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest("POST", "/api/v1/bundles/"+attestations.FormatDigest(digest), bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		switch w.Code {
		case http.StatusCreated:
			if w.Body.String() != `{"id":1}` { // there is one bundle that verifies
				t.Errorf("%s: %s", w.Body, body)
			}
		case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
			if _, err := rpcstatus.Parse(w.Body.Bytes()); err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("%d %s: %s", w.Code, w.Body, body)
		}
	})
}
