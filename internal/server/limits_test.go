// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// behind sends requests as a proxy does for a client at an address.
type behind string

func (b behind) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// signAs signs something, and returns why not.
func signAs(t *testing.T, i *hallmarktest.Instance, h *http.Client, email string) error {
	t.Helper()
	key := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	s := sign.Signer{
		Key:          key,
		Certifier:    client.Fulcio{URL: i.URL, Token: i.Token(t, email), HTTP: h},
		Timestampers: []sign.Timestamper{client.TSA{URL: i.URL + "/api/v1/timestamp", HTTP: h}},
		Logs:         []sign.Log{client.Rekor{URL: i.URL, HTTP: h}},
	}
	_, err := s.Message(t.Context(), strings.NewReader("content"))
	return err
}

func isThrottled(err error) bool {
	refused := new(client.StatusError)
	return errors.As(err, &refused) && refused.Status == http.StatusTooManyRequests
}

// TestLimitsByIdentity checks that certificates and their entries are limited by identity, so
// that users behind one address don't block each other.
func TestLimitsByIdentity(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]config.Limits{
		"certificates": {Certificates: config.Rate{Burst: 2, PerMinute: 1}},
		"entries":      {Entries: config.Rate{Burst: 2, PerMinute: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			l.AnonymousEntries = config.Rate{Burst: 1, PerMinute: 1}
			i := hallmarktest.Start(t, hallmarktest.Options{Configure: func(c *config.Config) { c.Limits, c.TrustedProxies = l, []string{"127.0.0.1"} }})
			h := &http.Client{Transport: behind("192.0.2.1"), Timeout: 10 * time.Second}
			for range 2 {
				if err := signAs(t, i, h, "alice@example.com"); err != nil {
					t.Fatal(err)
				}
			}
			if err := signAs(t, i, h, "alice@example.com"); !isThrottled(err) {
				t.Errorf("the third of alice: %v", err)
			}
			if err := signAs(t, i, h, "bob@example.com"); err != nil {
				t.Errorf("bob: %v", err)
			}
		})
	}
}

// postFrom posts as a client at an address, and returns the status.
func postFrom(t *testing.T, url, address string, body []byte) int {
	t.Helper()
	h := &http.Client{Transport: behind(address), Timeout: 10 * time.Second}
	resp := testkit.Must(h.Post(url, "application/json", bytes.NewReader(body)))(t)
	resp.Body.Close()
	if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	return resp.StatusCode
}

// TestLimitsByAddress checks that requests without identity are counted by the address that a
// trusted proxy reports. Without a trusted proxy, clients on loopback are not limited.
func TestLimitsByAddress(t *testing.T) {
	t.Parallel()
	few := config.Rate{Burst: 2, PerMinute: 1}
	for _, proxies := range [][]string{{"127.0.0.0/8"}, nil} {
		i := hallmarktest.Start(t, hallmarktest.Options{Evidence: true, Configure: func(c *config.Config) {
			c.TrustedProxies, c.Limits = proxies, config.Limits{AnonymousEntries: few, Evidence: few}
		}})
		for path, ok := range map[string]int{"/api/v2/log/entries": http.StatusCreated, "/api/v1/bundles/sha256:" + strings.Repeat("0", 64): http.StatusBadRequest} {
			for n, c := range []struct {
				address string
				want    int
			}{
				{"2001:db8::1", ok}, {"2001:db8::2", ok}, {"2001:db8::3", http.StatusTooManyRequests}, {"2001:db8:0:1::1", ok}, {"192.0.2.1, 2001:db8::4", http.StatusTooManyRequests},
			} {
				if proxies == nil {
					c.want = ok
				}
				body := testkit.Must(rekor.MarshalRequest(hashedRekord(t)))(t)
				if got := postFrom(t, i.URL+path, c.address, body); got != c.want {
					t.Errorf("%v: %s, request %d for %s: %d, want %d", proxies, path, n, c.address, got, c.want)
				}
			}
		}
	}
}

// lines returns the lines of a server's log with a message.
func (l *lockedBuffer) lines(t *testing.T, message string) (found []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.b.Bytes()) {
		var members map[string]any
		if err := json.Unmarshal(line, &members); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if members["msg"] == message {
			found = append(found, members)
		}
	}
	return found
}

// TestLogSaysWho checks that the server's log contains the identity of each certificate, and the
// reason of each refusal.
func TestLogSaysWho(t *testing.T) {
	t.Parallel()
	log := new(lockedBuffer)
	i := hallmarktest.Start(t, hallmarktest.Options{Logger: slog.New(slog.NewJSONHandler(log, nil))})
	h := &http.Client{Timeout: 10 * time.Second}
	if err := signAs(t, i, h, "alice@example.com"); err != nil {
		t.Fatal(err)
	}
	issued := log.lines(t, "certificate issued")
	if len(issued) != 1 {
		t.Fatalf("%d certificates", len(issued))
	}
	for name, want := range map[string]any{"account": "alice@example.com", "issuer": i.URL, "address": "127.0.0.1", "ct_index": 0.0} {
		if issued[0][name] != want {
			t.Errorf("%s: %v, want %v", name, issued[0][name], want)
		}
	}
	for name, length := range map[string]int{"serial": 40, "key_sha256": 64} {
		if text, _ := issued[0][name].(string); len(text) != length {
			t.Errorf("%s: %v", name, issued[0][name])
		}
	}
	token := i.SignToken(t, map[string]any{"iss": i.URL, "aud": "another", "sub": "x", "email": "mallory@example.com", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()})
	f := client.Fulcio{URL: i.URL, Token: token, HTTP: h}
	if _, err := f.Certify(t.Context(), testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)); err == nil {
		t.Fatal("a token for another")
	}
	refused := log.lines(t, "certificate refused")
	if len(refused) != 1 || refused[0]["account"] != "mallory@example.com" || refused[0]["address"] != "127.0.0.1" || refused[0]["cause"] == "" {
		t.Errorf("%v", refused)
	}
	if strings.Contains(log.b.String(), token) {
		t.Error("the log has the token")
	}
}
