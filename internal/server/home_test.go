// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/hallmarktest"
)

func home(t *testing.T, url, accept string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	return fetch(t, req)
}

// TestHome checks that the home page of an instance describes it, shows the commands to run, and
// asks to compare the fingerprint.
func TestHome(t *testing.T) {
	t.Parallel()
	i := hallmarktest.Start(t, hallmarktest.Options{Witness: true})
	files, err := client.Trust(t.Context(), client.NewHTTP(time.Minute, nil), i.URL)
	if err != nil {
		t.Fatal(err)
	}
	for accept, kind := range map[string]string{
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": "text/html; charset=utf-8",
		"*/*":              "text/plain; charset=utf-8",
		"application/json": "text/plain; charset=utf-8",
	} {
		resp, body := home(t, i.URL, accept)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != kind || resp.Header.Get("Vary") != "Accept" {
			t.Errorf("%s: %s, %v", accept, resp.Status, resp.Header)
		}
		for _, want := range []string{
			"hallmark trust add " + i.URL, "hallmark sign FILE", "hallmark verify FILE --identity EMAIL --issuer " + i.URL,
			files.Fingerprint(), "Compare it with what the operator says", "/trust/trusted_root.json", "/login/password-change",
		} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %q in %s", accept, want, body)
			}
		}
		for _, never := range []string{"<script", " onclick", "style=", "<img"} {
			if strings.Contains(body, never) {
				t.Errorf("%s: %s", accept, body)
			}
		}
	}
	resp, body := home(t, i.URL, "text/html")
	policy := resp.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %q", policy)
	}
	for _, found := range regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		if resp, _ := get(t, i.URL+found[1]); resp.StatusCode != http.StatusOK {
			t.Errorf("the page leads to %s: %s", found[1], resp.Status)
		}
	}
	if resp, _ := get(t, i.URL+"/index.html"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("another path: %s", resp.Status)
	}
	if err := os.Remove(i.TrustedRootFile); err != nil {
		t.Fatal(err)
	}
	if resp, _ := home(t, i.URL, "text/html"); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("without a trusted root: %s", resp.Status)
	}
}
