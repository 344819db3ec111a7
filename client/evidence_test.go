// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/wire/attestations"
)

// store returns a client for the store at url.
func store(url string) client.Evidence {
	return client.Evidence{URL: url, HTTP: client.NewHTTP(time.Minute, nil)}
}

// TestEvidenceAnswers checks the three results: found, none, and an error for any other
// response.
func TestEvidenceAnswers(t *testing.T) {
	t.Parallel()
	digest := make([]byte, 32)
	elsewhere, followed := answering(t, http.StatusOK, nil, `{"attestations":[{"bundle":{}}]}`)
	for name, c := range map[string]struct {
		status int
		header http.Header
		body   string
		want   string // found, none, or a part of the error
	}{
		"found":              {200, nil, `{"attestations":[{"bundle":{"a":1}},{"bundle":{}}]}`, "found"},
		"none":               {404, nil, string(attestations.MarshalProblem(404, attestations.NotFound)), "none"},
		"no store":           {404, nil, `{"message":"Not Found","documentation_url":"https://docs.github.com/rest","status":"404"}`, "no evidence store"},
		"none in the list":   {200, nil, `{"attestations":[]}`, "none"},
		"no store there":     {404, nil, "404 page not found\n", "no evidence store"},
		"another's 404":      {404, nil, `{"code":5,"message":"no such path"}`, "no such path"},
		"a proxy's page":     {200, nil, "<html>", "malformed"},
		"empty":              {200, nil, "", "malformed"},
		"login wanted":       {401, nil, `{"message":"Bad credentials"}`, "Bad credentials"},
		"gone":               {410, nil, `{"message":"no bundle of this digest is kept here"}`, "410"},
		"sent elsewhere":     {302, http.Header{"Location": {elsewhere}}, "", "302"},
		"broken":             {500, nil, `{"message":"internal error"}`, "internal error"},
		"no link":            {200, http.Header{"Link": {"next"}}, `{"attestations":[{"bundle":{}}]}`, "Link"},
		"nothing, and more":  {200, http.Header{"Link": {`<https://a?after=1>; rel="next"`}}, `{"attestations":[]}`, "more"},
		"more than there is": {200, http.Header{"Link": {`<https://a?after=1>; rel="next"`}}, `{"attestations":[{"bundle":{}}]}`, "1000 bundles"},
	} {
		url, _ := answering(t, c.status, c.header, c.body)
		got, err := store(url).Get(t.Context(), digest)
		switch {
		case c.want == "found" && (err != nil || len(got) != 2 || string(got[0]) != `{"a":1}`):
			t.Errorf("%s: %s, %v", name, got, err)
		case c.want == "none" && (err != nil || got != nil):
			t.Errorf("%s: %s, %v", name, got, err)
		case c.want != "found" && c.want != "none" && (err == nil || got != nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if followed.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

// TestEvidenceUnavailable checks that a store that does not respond is not reported as having
// no bundle.
func TestEvidenceUnavailable(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	defer close(release)
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, `{"attestations":[`)
	}))
	defer cut.Close()
	busy, _ := answering(t, http.StatusServiceUnavailable, nil, `{"message":"no bundle of this digest is kept here"}`)
	for name, url := range map[string]string{"gone": gone.URL, "slow": slow.URL, "cut off": cut.URL, "busy": busy} {
		e := client.Evidence{URL: url, HTTP: client.NewHTTP(200*time.Millisecond, nil)}
		if got, err := e.Get(t.Context(), make([]byte, 32)); !errors.Is(err, client.ErrUnavailable) || got != nil {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if err := e.Put(t.Context(), make([]byte, 32), []byte("{}")); name != "cut off" && !errors.Is(err, client.ErrUnavailable) {
			t.Errorf("putting, %s: %v", name, err)
		}
	}
}

// TestEvidencePages checks that pages are requested at the given address, whatever address is
// in the links.
func TestEvidencePages(t *testing.T) {
	t.Parallel()
	const pages = 5
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		if r.URL.Path != "/prefix/api/v1/bundles/sha256:"+strings.Repeat("00", 32) || n > 1 && r.URL.Query().Get("after") != fmt.Sprint(n-1) {
			t.Errorf("asked for %s", r.URL)
		}
		if n < pages {
			w.Header().Add("Link", attestations.Link("https://127.0.0.1:1/before", "prev"))
			w.Header().Add("Link", attestations.Link(fmt.Sprintf("https://127.0.0.1:1/elsewhere?after=%d", n), "next"))
		}
		fmt.Fprintf(w, `{"attestations":[{"bundle":{"page":%d}}]}`, n)
	}))
	defer s.Close()
	got, err := store(s.URL+"/prefix").Get(t.Context(), make([]byte, 32))
	if err != nil || len(got) != pages || string(got[pages-1]) != `{"page":5}` {
		t.Errorf("%s, %v", got, err)
	}
}

// TestEvidenceLosesPage checks that a page that has disappeared is an error.
func TestEvidenceLosesPage(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 1 {
			w.WriteHeader(http.StatusNotFound)
			w.Write(attestations.MarshalProblem(http.StatusNotFound, attestations.NotFound))
			return
		}
		w.Header().Set("Link", attestations.Link("https://a?after=1", "next"))
		io.WriteString(w, `{"attestations":[{"bundle":{}}]}`)
	}))
	defer s.Close()
	if got, err := store(s.URL).Get(t.Context(), make([]byte, 32)); err == nil {
		t.Errorf("%d bundles", len(got))
	}
}

// TestEvidenceLimits checks that responses are limited, whatever length they announce.
func TestEvidenceLimits(t *testing.T) {
	t.Parallel()
	large := []byte(`{"attestations":[{"bundle":{"a":"` + strings.Repeat("x", attestations.MaxBundle-100) + `"}}]}`)
	var asked atomic.Int64
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", attestations.Link(fmt.Sprintf("https://a?after=%d", asked.Add(1)), "next"))
		w.Write(large)
	}))
	defer pages.Close()
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"attestations":[{"bundle":{"a":"`)
		for chunk := bytes.Repeat([]byte("x"), 1<<20); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	for name, url := range map[string]string{"many pages": pages.URL, "endless": endless.URL} {
		if got, err := store(url).Get(t.Context(), make([]byte, 32)); err == nil || !strings.Contains(err.Error(), "bytes") {
			t.Errorf("%s: %d bundles, %v", name, len(got), err)
		}
	}
	if asked.Load() > 4 {
		t.Errorf("asked for %d pages", asked.Load())
	}
}

// TestEvidencePut checks that a refusal is returned with the store's message, and that only
// 201 is a success.
func TestEvidencePut(t *testing.T) {
	t.Parallel()
	refusing, _ := answering(t, http.StatusUnprocessableEntity, nil, `{"message":"bundle is refused: log-missing","status":"422"}`)
	refusal := new(client.StatusError)
	if err := store(refusing).Put(t.Context(), make([]byte, 32), []byte("{}")); !errors.As(err, &refusal) || refusal.Message != "bundle is refused: log-missing" {
		t.Errorf("got %v", err)
	}
	for status, ok := range map[int]bool{http.StatusCreated: true, http.StatusOK: false, http.StatusAccepted: false} {
		url, _ := answering(t, status, nil, `{"id":1}`)
		if err := store(url).Put(t.Context(), make([]byte, 32), []byte("{}")); (err == nil) != ok {
			t.Errorf("%d: %v", status, err)
		}
	}
	if err := store(refusing).Put(t.Context(), make([]byte, 32), make([]byte, attestations.MaxBundle+1)); err == nil || errors.As(err, &refusal) {
		t.Errorf("got %v", err)
	}
	if err := store(refusing).Put(t.Context(), make([]byte, 32), []byte("no JSON")); err == nil || errors.As(err, &refusal) {
		t.Errorf("got %v", err)
	}
}
