// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

func TestMain(m *testing.M) { testkit.Parallel(m) }

// answering returns a service that responds to every request alike, and counts requests.
func answering(t *testing.T, status int, header http.Header, body string) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		io.Copy(io.Discard, r.Body)
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// ask calls the service at url with each client.
func ask(t *testing.T, url string) map[string]error {
	t.Helper()
	h := client.NewHTTP(time.Minute, nil)
	_, certify := client.Fulcio{URL: url, Token: "e30.eyJzdWIiOiJhIn0.e30", HTTP: h}.Certify(t.Context(), testkit.P256(t))
	_, add := client.Rekor{URL: url, HTTP: h}.Add(t.Context(), rekor.HashedRekord{
		Digest: make([]byte, 32), Signature: []byte{1}, Verifier: rekor.Verifier{PublicKey: []byte{1}, KeyDetails: "PKIX_ECDSA_P256_SHA_256"},
	})
	_, stamp := client.TSA{URL: url, HTTP: h}.Timestamp(t.Context(), []byte("signature"))
	_, fetch := client.Trust(t.Context(), h, url)
	return map[string]error{"certificate": certify, "entry": add, "timestamp": stamp, "trust": fetch}
}

// TestRefusal checks that a refusal is returned with the service's message, and is not
// retried.
func TestRefusal(t *testing.T) {
	t.Parallel()
	url, asked := answering(t, http.StatusForbidden, nil, `{"code":7,"message":"not \u001b[31myou","details":[]}`)
	for name, err := range ask(t, url) {
		refused := new(client.StatusError)
		if !errors.As(err, &refused) || refused.Status != http.StatusForbidden || refused.Message != "not  [31myou" {
			t.Errorf("%s: got %v", name, err)
		}
		if errors.Is(err, client.ErrUnavailable) {
			t.Errorf("%s: a refusal is not the lack of an answer", name)
		}
	}
	if n := asked.Load(); n != 4 {
		t.Errorf("asked %d times, want 4", n)
	}
}

// TestOtherAnswers checks that responses with other statuses than the API's, such as
// redirects, are errors.
func TestOtherAnswers(t *testing.T) {
	t.Parallel()
	elsewhere, followed := answering(t, http.StatusOK, nil, "{}")
	for status, header := range map[int]http.Header{
		http.StatusFound:     {"Location": {elsewhere}},
		http.StatusNoContent: nil,
		http.StatusTeapot:    nil,
	} {
		url, _ := answering(t, status, header, "")
		for name, err := range ask(t, url) {
			if refused := new(client.StatusError); !errors.As(err, &refused) || refused.Status != status {
				t.Errorf("%d, %s: got %v", status, name, err)
			}
		}
	}
	if followed.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

// TestServiceFails checks that a failing service decides nothing, whatever its message.
func TestServiceFails(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusInternalServerError, http.StatusNotImplemented, http.StatusInsufficientStorage} {
		url, _ := answering(t, status, nil, `{"code":13,"message":"broken","details":[]}`)
		for name, err := range ask(t, url) {
			if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "broken") && name != "trust" {
				t.Errorf("%s, %d: %v", name, status, err)
			}
		}
	}
}

// TestTimestampStatus checks that 200 and 201 are accepted: Sigstore's timestamp authority
// responds with 201, others with 200.
func TestTimestampStatus(t *testing.T) {
	t.Parallel()
	i := hallmarktest.New(t)
	for _, status := range []int{http.StatusOK, http.StatusCreated} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			resp, err := http.Post(i.URL+"/api/v1/timestamp", r.Header.Get("Content-Type"), r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			w.WriteHeader(status)
			io.Copy(w, resp.Body)
		}))
		defer s.Close()
		if _, err := (client.TSA{URL: s.URL, HTTP: client.NewHTTP(time.Minute, nil)}).Timestamp(t.Context(), []byte("signature")); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestMalformedAnswers checks that responses with the right status are parsed strictly and
// limited in size.
func TestMalformedAnswers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty": "", "not JSON": "<html>", "trailing data": "{} {}", "null": "null",
		"endless": strings.Repeat("x", 5<<20),
	} {
		for status := range map[int]bool{http.StatusOK: true, http.StatusCreated: true} {
			url, _ := answering(t, status, nil, body)
			for who, err := range ask(t, url) {
				if err == nil {
					t.Errorf("%s, %d: %s took it", name, status, who)
				}
			}
		}
	}
}

// TestRetry checks that requests to a busy service are repeated as it says, and that the
// response is returned.
func TestRetry(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer s.Close()
	_, err := client.Trust(t.Context(), client.NewHTTP(time.Minute, nil), s.URL)
	if refused := new(client.StatusError); !errors.As(err, &refused) || refused.Status != http.StatusForbidden || asked.Load() != 3 {
		t.Errorf("asked %d times, got %v", asked.Load(), err)
	}
}

// TestBusyUntilTheDeadline checks that a service which says when to retry is waited for until
// the exchange's time is over, with a notice, and that clients refused at once do not return
// at once.
func TestBusyUntilTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := func() http.RoundTripper {
			return roundTrip(func(*http.Request) *http.Response {
				w := httptest.NewRecorder()
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusServiceUnavailable)
				io.WriteString(w, `{"code":14,"message":"log is busy","details":[]}`)
				return w.Result()
			})
		}
		var notices []string
		var waits []time.Duration
		for range 20 {
			h := client.NewHTTP(time.Minute, func(text string) { notices = append(notices, text) })
			client.SetTransport(h, busy())
			start := time.Now()
			_, err := client.Trust(t.Context(), h, "http://sign.example.com")
			if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "log is busy") {
				t.Fatal(err)
			}
			waits = append(waits, time.Since(start))
		}
		if len(notices) < 20*4 || !strings.Contains(notices[0], "sign.example.com: service is unavailable: 503 Service Unavailable: log is busy") {
			t.Errorf("%d notices: %q", len(notices), notices[:min(len(notices), 3)])
		}
		slices.Sort(waits)
		if waits[0] < 20*time.Second || waits[19] > time.Minute || waits[0] == waits[19] {
			t.Errorf("waited %v to %v", waits[0], waits[19])
		}
	})
}

type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// TestUnavailable checks that waiting ends with the context, and returns ErrUnavailable.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	url, _ := answering(t, http.StatusServiceUnavailable, http.Header{"Retry-After": {"3600"}}, "")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := client.Trust(ctx, client.NewHTTP(time.Second, nil), url)
	if !errors.Is(err, client.ErrUnavailable) || time.Since(start) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	if _, err := client.Trust(t.Context(), client.NewHTTP(time.Second, nil), gone.URL); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("no listener: got %v", err)
	}
}

// TestTokenStaysSecret checks that the token is sent in the Authorization header and is in no
// error.
func TestTokenStaysSecret(t *testing.T) {
	t.Parallel()
	const token = "e30.eyJzdWIiOiJzZWNyZXQifQ.c2ln"
	var bearer string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bearer = r.Header.Get("Authorization")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer s.Close()
	_, err := client.Fulcio{URL: s.URL, Token: token, HTTP: client.NewHTTP(time.Minute, nil)}.Certify(t.Context(), testkit.P256(t))
	if bearer != "Bearer "+token {
		t.Errorf("sent %q", bearer)
	}
	if err == nil || strings.Contains(fmt.Sprintf("%+v", err), "eyJzdWI") {
		t.Errorf("got %v", err)
	}
}

// TestTrustIsParsed checks that invalid trust files are refused before the user is asked to
// confirm them.
func TestTrustIsParsed(t *testing.T) {
	t.Parallel()
	url, _ := answering(t, http.StatusOK, nil, `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","surprise":1}`)
	if _, err := client.Trust(t.Context(), client.NewHTTP(time.Minute, nil), url); !errors.Is(err, trust.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}
