// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/evidence"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/attestations"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

func TestMain(m *testing.M) { testkit.Parallel(m) }

const (
	alice = "alice@example.com"
	sbom  = "https://spdx.dev/Document"
)

func marshal(t testing.TB, b *bundle.Bundle, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// signed returns a bundle over content, and content's digest.
func signed(t testing.TB, i *hallmarktest.Instance, content string) (digest, raw []byte) {
	t.Helper()
	b, err := i.Signer(t, alice).Message(t.Context(), strings.NewReader(content))
	sum := sha256.Sum256([]byte(content))
	return sum[:], marshal(t, b, err)
}

// attested returns a bundle with a statement about a digest.
func attested(t testing.TB, i *hallmarktest.Instance, digest []byte, predicateType, predicate string) []byte {
	t.Helper()
	return attestedBy(t, i, alice, digest, predicateType, predicate)
}

func attestedBy(t testing.TB, i *hallmarktest.Instance, email string, digest []byte, predicateType, predicate string) []byte {
	t.Helper()
	statement := intoto.Statement{
		Type: intoto.TypeV1, PredicateType: predicateType, Predicate: []byte(predicate),
		Subject: []intoto.Subject{{Digest: map[string]string{"sha256": hex.EncodeToString(digest)}}},
	}
	payload, err := statement.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	b, err := i.Signer(t, email).Envelope(t.Context(), dsse.PayloadTypeInToto, payload)
	return marshal(t, b, err)
}

func storeOf(t testing.TB, i *hallmarktest.Instance) client.Evidence {
	t.Cleanup(http.DefaultClient.CloseIdleConnections) // which the instance's end would wait for
	return client.Evidence{URL: i.URL, HTTP: client.NewHTTP(time.Minute, nil)}
}

// open opens a store with a server of its own, for what an instance does not expose.
func open(t testing.TB, root *trust.Root, dir string, maxBytes int64) client.Evidence {
	t.Helper()
	s, err := evidence.New(evidence.Options{Dir: dir, URL: "http://sign.example.com", Root: root, MaxBytes: maxBytes, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return client.Evidence{URL: server.URL, HTTP: client.NewHTTP(time.Minute, nil)}
}

// status returns the HTTP status of a refusal.
func status(t *testing.T, err error) int {
	t.Helper()
	refusal := new(client.StatusError)
	if !errors.As(err, &refusal) {
		t.Fatalf("not a refusal: %v", err)
	}
	return refusal.Status
}

// answered requests a subject as any client would.
func answered(t *testing.T, url string) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

// TestRoundTrip checks that a posted bundle is returned, verifies, and is stored once however
// often it is posted.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	i := hallmarktest.Start(t, hallmarktest.Options{Evidence: true})
	e := storeOf(t, i)
	digest, raw := signed(t, i, "content")
	for range 3 {
		if err := e.Put(t.Context(), digest, raw); err != nil {
			t.Fatal(err)
		}
	}
	got, err := e.Get(t.Context(), digest)
	if err != nil || len(got) != 1 {
		t.Fatalf("%d bundles, %v", len(got), err)
	}
	b, err := bundle.Parse(got[0])
	if err != nil {
		t.Fatal(err)
	}
	v, err := verify.New(i.Root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(b, verify.FromReader(strings.NewReader("content")), verify.Requirements{AnyIdentityUnsafe: true}); err != nil {
		t.Error(err)
	}
	other := sha256.Sum256([]byte("other"))
	if got, err := e.Get(t.Context(), other[:]); err != nil || got != nil {
		t.Errorf("of something else: %d bundles, %v", len(got), err)
	}
	_, metrics := answered(t, i.URL+"/metrics")
	for _, want := range []string{
		fmt.Sprintf("hallmark_evidence_bytes %d\n", len(got[0])), "hallmark_evidence_failed 0\n",
		`hallmark_http_requests_total{method="POST",service="evidence",status="201"} 3`,
	} {
		if !bytes.Contains(metrics, []byte(want)) {
			t.Errorf("no %s in the metrics", want)
		}
	}
}

// TestOneBundleAnEntry checks that the same entry in another encoding is the same bundle, so
// that posting, which needs no login, can't fill the store.
func TestOneBundleAnEntry(t *testing.T) {
	t.Parallel()
	i := hallmarktest.Start(t, hallmarktest.Options{Evidence: true})
	e := storeOf(t, i)
	digest := sha256.Sum256([]byte("content"))
	raw := attested(t, i, digest[:], sbom, `{}`)
	b, err := bundle.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	b.Envelope.Signatures[0].KeyID = "anything at all"
	token, err := client.TSA{URL: i.URL + "/api/v1/timestamp", HTTP: e.HTTP}.Timestamp(t.Context(), b.Signature())
	if err != nil {
		t.Fatal(err)
	}
	b.Timestamps = append(b.Timestamps, token)
	for _, posted := range [][]byte{marshal(t, b, nil), raw, bytes.ReplaceAll(raw, []byte(`,"`), []byte(", \n\""))} {
		if err := e.Put(t.Context(), digest[:], posted); err != nil {
			t.Fatal(err)
		}
	}
	got, err := e.Get(t.Context(), digest[:])
	if err != nil || len(got) != 1 || bytes.Contains(got[0], []byte("anything")) {
		t.Errorf("%d bundles, %v: %s", len(got), err, got)
	}
}

// A githubAnswer is the response of GitHub's "List attestations", of which each member is
// optional according to its OpenAPI description.
type githubAnswer struct {
	Attestations []struct {
		Bundle struct {
			MediaType            string         `json:"mediaType"`
			VerificationMaterial map[string]any `json:"verificationMaterial"`
			DSSEEnvelope         map[string]any `json:"dsseEnvelope"`
		} `json:"bundle"`
		RepositoryID int    `json:"repository_id"`
		BundleURL    string `json:"bundle_url"`
	} `json:"attestations"`
}

// TestGitHubShape checks responses against GitHub's schemas of list, create and basic error.
func TestGitHubShape(t *testing.T) {
	t.Parallel()
	i := hallmarktest.Start(t, hallmarktest.Options{Evidence: true})
	digest := sha256.Sum256([]byte("content"))
	url := i.URL + "/api/v1/bundles/" + attestations.FormatDigest(digest[:])
	resp, body := answered(t, url)
	var basicError struct {
		Message          string `json:"message"`
		DocumentationURL string `json:"documentation_url"`
		URL              string `json:"url"`
		Status           string `json:"status"`
	}
	strictly(t, body, &basicError)
	if resp.StatusCode != 404 || basicError.Message != attestations.NotFound || basicError.Status != "404" {
		t.Errorf("%s: %s", resp.Status, body)
	}
	request := fmt.Sprintf(`{"bundle":%s}`, attested(t, i, digest[:], sbom, `{}`))
	resp, err := http.Post(url, "application/json; charset=utf-8", strings.NewReader(request))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var created struct {
		ID int `json:"id"`
	}
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	strictly(t, body, &created)
	if resp.StatusCode != http.StatusCreated || created.ID != 1 {
		t.Errorf("%s: %s", resp.Status, body)
	}
	resp, body = answered(t, url+"?per_page=30")
	var listed githubAnswer
	strictly(t, body, &listed)
	if resp.StatusCode != 200 || len(listed.Attestations) != 1 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	if b := listed.Attestations[0].Bundle; b.MediaType != bundle.MediaType || b.DSSEEnvelope["payload"] == nil || b.VerificationMaterial["certificate"] == nil {
		t.Errorf("got %+v", b)
	}
}

func strictly(t *testing.T, body []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Errorf("%v: %s", err, body)
	}
}

// TestRefused checks that the store accepts only bundles that it can verify.
func TestRefused(t *testing.T) {
	t.Parallel()
	i, other := hallmarktest.Start(t, hallmarktest.Options{Evidence: true}), hallmarktest.New(t)
	e := storeOf(t, i)
	digest, good := signed(t, i, "content")
	elsewhere, foreign := signed(t, other, "content")
	changed := bytes.Clone(good)
	at := bytes.Index(changed, []byte(`"signature":"`)) + len(`"signature":"`) + 20
	changed[at] ^= 1
	another := sha256.Sum256([]byte("another"))
	for name, c := range map[string]struct {
		digest, raw []byte
		status      int
	}{
		"no bundle":            {digest, []byte(`{}`), 422},
		"changed":              {digest, changed, 422},
		"of another artifact":  {another[:], good, 422},
		"of another instance":  {elsewhere, foreign, 422},
		"about another":        {digest, attested(t, i, another[:], sbom, `{}`), 422},
		"signed with a key":    {digest, withKey(t, i), 422},
		"with another's token": {digest, stamped(t, good, other), 422},
		"of another hash":      {digest, withP384(t, i), 422},
		"without log entry":    {digest, without(t, good, func(b *bundle.Bundle) { b.Entries = nil }), 422},
		"without timestamp":    {digest, without(t, good, func(b *bundle.Bundle) { b.Timestamps = nil }), 422},
		"twice the same in it": {digest, []byte(`{"mediaType":"a","mediaType":"b"}`), 422},
	} {
		if err := e.Put(t.Context(), c.digest, c.raw); status(t, err) != c.status {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := e.Get(t.Context(), c.digest); err != nil || got != nil {
			t.Errorf("%s: %d bundles, %v", name, len(got), err)
		}
	}
}

func without(t *testing.T, raw []byte, change func(*bundle.Bundle)) []byte {
	t.Helper()
	b, err := bundle.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	change(b)
	return marshal(t, b, nil)
}

// stamped adds a timestamp of another instance, which is valid there.
func stamped(t *testing.T, raw []byte, other *hallmarktest.Instance) []byte {
	return without(t, raw, func(b *bundle.Bundle) {
		token, err := client.TSA{URL: other.URL + "/api/v1/timestamp", HTTP: client.NewHTTP(time.Minute, nil)}.Timestamp(t.Context(), b.Signature())
		if err != nil {
			t.Fatal(err)
		}
		b.Timestamps = append(b.Timestamps, token)
	})
}

func withKey(t *testing.T, i *hallmarktest.Instance) []byte {
	t.Helper()
	s := i.Signer(t, alice)
	s.Certifier = nil
	b, err := s.Message(t.Context(), strings.NewReader("content"))
	return marshal(t, b, err)
}

func withP384(t *testing.T, i *hallmarktest.Instance) []byte {
	t.Helper()
	s := i.Signer(t, alice)
	var err error
	if s.Key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	b, err := s.Message(t.Context(), strings.NewReader("content"))
	return marshal(t, b, err)
}

// many returns bundles about one digest.
func many(t testing.TB, i *hallmarktest.Instance, digest []byte, n int) [][]byte {
	t.Helper()
	all := make([][]byte, n)
	for k := range all {
		kind := sbom
		if k%3 == 2 {
			kind = "https://slsa.dev/provenance/v1"
		}
		all[k] = attested(t, i, digest, kind, fmt.Sprintf(`{"number":%d}`, k))
	}
	return all
}

// TestConcurrentPosts posts with 64 clients, each bundle four times. Each bundle must be
// stored once, with IDs without a gap.
func TestConcurrentPosts(t *testing.T) {
	t.Parallel()
	i := hallmarktest.Start(t, hallmarktest.Options{Evidence: true})
	e := storeOf(t, i)
	digest := sha256.Sum256([]byte("content"))
	all := many(t, i, digest[:], 16)
	var posts sync.WaitGroup
	for k := range 64 {
		posts.Go(func() {
			if err := e.Put(t.Context(), digest[:], all[k%len(all)]); err != nil {
				t.Error(err)
			}
		})
	}
	posts.Wait()
	got, err := e.Get(t.Context(), digest[:])
	if err != nil || len(got) != len(all) {
		t.Fatalf("%d bundles, want %d: %v", len(got), len(all), err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(i.TrustedRootFile), "..", "evidence", "sha256", "*", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for k, file := range files {
		if !strings.HasPrefix(filepath.Base(file), fmt.Sprintf("%06d-", k+1)) {
			t.Errorf("%s is number %d", file, k+1)
		}
	}
}

// TestPaging checks that bundles of a subject are returned in order, for any page size.
func TestPaging(t *testing.T) {
	t.Parallel()
	root := hallmarktest.New(t)
	e := open(t, root.Root, t.TempDir(), 1<<30)
	digest := sha256.Sum256([]byte("content"))
	all := many(t, root, digest[:], 103)
	for _, raw := range all {
		if err := e.Put(t.Context(), digest[:], raw); err != nil {
			t.Fatal(err)
		}
	}
	got, err := e.Get(t.Context(), digest[:])
	if err != nil || !slices.EqualFunc(got, all, same(t)) {
		t.Fatalf("%d bundles, %v", len(got), err)
	}
	url := e.URL + "/api/v1/bundles/" + attestations.FormatDigest(digest[:])
	for query, want := range map[string]struct {
		from, to    int
		links, what string
	}{
		"":                             {0, 30, "next", ""},
		"?per_page=100":                {0, 100, "next", ""},
		"?per_page=100&after=100":      {100, 103, "prev", ""},
		"?per_page=10&after=50":        {50, 60, "next prev", ""},
		"?per_page=10&before=61":       {50, 60, "next prev", ""},
		"?per_page=10&before=6":        {0, 5, "next", ""},
		"?after=103":                   {103, 103, "", ""},
		"?before=1":                    {0, 0, "", ""},
		"?predicate_type=urn:x":        {0, 0, "", ""},
		"?unknown=1&per_page=1&after=": {-1, 0, "", ""},
	} {
		resp, body := answered(t, url+query)
		if want.from < 0 {
			if resp.StatusCode != 400 {
				t.Errorf("%s: %s", query, resp.Status)
			}
			continue
		}
		got, err := attestations.ParsePage(body)
		if err != nil || !slices.EqualFunc(got, all[want.from:want.to], same(t)) {
			t.Errorf("%s: %d bundles, %v", query, len(got), err)
		}
		links := strings.Join(resp.Header.Values("Link"), ", ")
		for _, relation := range []string{"next", "prev"} {
			if strings.Contains(links, `rel="`+relation+`"`) != strings.Contains(want.links, relation) {
				t.Errorf("%s: links %s", query, links)
			}
		}
		if links != "" && !strings.HasPrefix(links, "<http://sign.example.com/api/v1/bundles/sha256:") {
			t.Errorf("%s: links %s", query, links)
		}
	}
	follow(t, url, "?per_page=7&predicate_type="+sbom, 103-103/3)
}

// follow follows the links from page to page, and expects that many bundles.
func follow(t *testing.T, url, query string, want int) {
	t.Helper()
	found := 0
	for more := true; more; {
		resp, body := answered(t, url+query)
		page, err := attestations.ParsePage(body)
		if err != nil || len(page) == 0 {
			t.Fatalf("%s: %d bundles, %v", query, len(page), err)
		}
		found += len(page)
		if query, more, err = attestations.Next(resp.Header.Values("Link")); err != nil {
			t.Fatal(err)
		}
		query = "?" + query
	}
	if found != want {
		t.Errorf("%d of the type, want %d", found, want)
	}
}

// same compares bundles by their signed content, as protojson varies white space.
func same(t *testing.T) func(a, b []byte) bool {
	return func(a, b []byte) bool {
		t.Helper()
		one, err := bundle.Parse(a)
		two, err2 := bundle.Parse(b)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		return bytes.Equal(one.Signature(), two.Signature())
	}
}

// TestLargePages checks that large bundles make a page shorter, and that none is left out.
func TestLargePages(t *testing.T) {
	testkit.Sequential(t)
	t.Parallel()
	root := hallmarktest.New(t)
	dir := t.TempDir()
	e := open(t, root.Root, dir, 1<<40)
	digest := sha256.Sum256([]byte("content"))
	padding := strings.Repeat("x", 9<<20)
	put := func(email string) error {
		return e.Put(t.Context(), digest[:], attestedBy(t, root, email, digest[:], sbom, fmt.Sprintf(`{"%s":"%s"}`, email, padding)))
	}
	for _, email := range []string{alice, alice, "bob@example.com", "carol@example.com"} {
		if err := put(email); err != nil {
			t.Fatal(err)
		}
	}
	// A fifth bundle would be more than one account's share.
	if got := status(t, put("dave@example.com")); got != http.StatusConflict {
		t.Errorf("a fifth: %d", got)
	}
	got, err := e.Get(t.Context(), digest[:])
	if err != nil || len(got) != 4 {
		t.Errorf("%d bundles, %v", len(got), err)
	}
	resp, body := answered(t, e.URL+"/api/v1/bundles/"+attestations.FormatDigest(digest[:]))
	if page, err := attestations.ParsePage(body); err != nil || len(page) != 2 || len(resp.Header.Values("Link")) != 1 {
		t.Errorf("%d bundles, %v, %s", len(page), err, resp.Header.Values("Link"))
	}
}

// TestFull checks that a store accepts bundles up to its limit.
func TestFull(t *testing.T) {
	t.Parallel()
	root := hallmarktest.New(t)
	digest, raw := signed(t, root, "content")
	more, another := signed(t, root, "more")
	dir := t.TempDir()
	for range 2 { // existing bundles count
		t.Run("small", func(t *testing.T) {
			small := open(t, root.Root, dir, int64(len(raw))*3/2)
			if err := small.Put(t.Context(), digest, raw); err != nil {
				t.Fatal(err)
			}
			if got := status(t, small.Put(t.Context(), more, another)); got != http.StatusInsufficientStorage {
				t.Errorf("full: %d", got)
			}
			if err := small.Put(t.Context(), digest, raw); err != nil {
				t.Errorf("what is there: %v", err)
			}
		})
	}
}

// TestSubjectFull checks that a subject uses no more than its share.
func TestSubjectFull(t *testing.T) {
	t.Parallel()
	root := hallmarktest.New(t)
	digest, raw := signed(t, root, "content")
	dir := t.TempDir()
	subject := filepath.Join(dir, "sha256", hex.EncodeToString(digest[:1]), hex.EncodeToString(digest))
	if err := os.MkdirAll(subject, 0o755); err != nil {
		t.Fatal(err)
	}
	for k := range attestations.MaxBundles {
		if err := os.WriteFile(filepath.Join(subject, fmt.Sprintf("%06d-ab-%d-none.json", k+1, k)), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	crowded := open(t, root.Root, dir, 1<<40)
	if got := status(t, crowded.Put(t.Context(), digest, raw)); got != http.StatusConflict {
		t.Errorf("crowded: %d", got)
	}
	if got, err := crowded.Get(t.Context(), digest); err != nil || len(got) != attestations.MaxBundles {
		t.Errorf("%d bundles, %v", len(got), err)
	}
}

// TestDirectory checks that one process writes to a directory, and that the store does not
// touch foreign files.
func TestDirectory(t *testing.T) {
	t.Parallel()
	root := hallmarktest.New(t)
	dir := t.TempDir()
	digest, raw := signed(t, root, "content")
	e := open(t, root.Root, dir, 1<<30)
	if _, err := evidence.New(evidence.Options{Dir: dir, Root: root.Root, Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("opened twice")
	}
	if err := e.Put(t.Context(), digest, raw); err != nil {
		t.Fatal(err)
	}
	subject := filepath.Join(dir, "sha256", hex.EncodeToString(digest[:1]), hex.EncodeToString(digest))
	for _, name := range []string{"README", ".tmp-1", "1-ab-0-none.json", "000000-ab-0-none.json", "-00001-ab-0-none.json", "000002-ab-0-none.json~"} {
		if err := os.WriteFile(filepath.Join(subject, name), []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := e.Get(t.Context(), digest); err != nil || len(got) != 1 {
		t.Errorf("%d bundles, %v", len(got), err)
	}
}
