// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/client/retry"
	"github.com/hallmark-sign/hallmark/wire/rpcstatus"
)

// ErrUnavailable reports that a service could not be reached, was too busy or failed to
// respond (429, 5xx): nothing is known, so try again later. Errors of client/login, and of
// oci about a registry, match it too.
var ErrUnavailable = retry.ErrUnavailable

// ErrTooLong reports that a response exceeds its limit.
var ErrTooLong = errors.New("answer is too long")

// A StatusError is a service's refusal.
type StatusError struct {
	Status  int
	Message string // the service's message, reduced to a line
}

// Error returns the service's response.
func (e *StatusError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%d %s: %s", e.Status, http.StatusText(e.Status), e.Message)
}

// idleConnections is the number of kept connections to one service, for concurrent requests:
// net/http would keep two, and open the others anew each time.
const idleConnections = 64

// NewHTTP returns an http.Client for the types of this package. It follows no redirect, keeps
// connections, and retries while a service is busy. timeout bounds an exchange with all its
// retries. If notice is non-nil, it is called before each wait of a second or more. It must be
// safe for concurrent use.
func NewHTTP(timeout time.Duration, notice func(string)) *http.Client {
	return NewHTTPFor(nil, timeout, notice)
}

// NewHTTPFor returns a client like that of [NewHTTP] that trusts the TLS certificates of
// roots. If roots is nil, it trusts those of the system.
func NewHTTPFor(roots *x509.CertPool, timeout time.Duration, notice func(string)) *http.Client {
	transport := Transport(roots)
	transport.MaxIdleConnsPerHost = idleConnections
	return &http.Client{
		Transport: &retry.Transport{Base: transport, Unanswered: true, Notice: waiting(notice)},
		Timeout:   timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// shortWait is the longest wait that is not worth a notice.
const shortWait = time.Second

// waiting returns a function that describes longer waits to notice, or nil if notice is nil.
func waiting(notice func(string)) func(time.Duration, *http.Request, *http.Response, error) {
	if notice == nil {
		return nil
	}
	return func(wait time.Duration, req *http.Request, resp *http.Response, err error) {
		if wait < shortWait {
			return
		}
		if resp != nil {
			err = refusal(resp)
		}
		notice(fmt.Sprintf("waiting %.1f s for %s: %s", wait.Seconds(), req.URL.Host, oneLine(err.Error())))
	}
}

// Transport returns a transport like [http.DefaultTransport] that trusts the TLS certificates of
// roots. If roots is nil, it trusts those of the system.
func Transport(roots *x509.CertPool) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	return transport
}

// An exchange is one request to a service.
type exchange struct {
	method, url string
	contentType string
	bearer      string // token; empty: none
	body        []byte
	want        int // expected status
	or          int // another expected status; 0: none
	limit       int64
}

// Get fetches url, at most limit bytes. Errors: ErrUnavailable, ErrTooLong, *StatusError, the
// context's.
func Get(ctx context.Context, h *http.Client, url string, limit int64) ([]byte, error) {
	return exchange{method: http.MethodGet, url: url, want: http.StatusOK, limit: limit}.do(ctx, h)
}

// do sends the request, and returns the response's body. Errors: ErrUnavailable, *StatusError,
// the context's.
func (e exchange) do(ctx context.Context, h *http.Client) ([]byte, error) {
	answer, err := e.ask(ctx, h)
	return answer.body, err
}

// An answer is an expected response.
type answer struct {
	body   []byte
	header http.Header
}

// ask does the same as do, and returns the header of the response too.
func (e exchange) ask(ctx context.Context, h *http.Client) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, e.method, e.url, bytes.NewReader(e.body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("User-Agent", "hallmark")
	if e.contentType != "" {
		req.Header.Set("Content-Type", e.contentType)
	}
	if e.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+e.bearer)
	}
	resp, err := h.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != e.want && (e.or == 0 || resp.StatusCode != e.or) {
		return answer{}, refusal(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, e.limit+1))
	if err != nil {
		return answer{}, fmt.Errorf("%w: reading answer: %w", ErrUnavailable, err)
	}
	if int64(len(body)) > e.limit {
		return answer{}, fmt.Errorf("%w: more than %d bytes", ErrTooLong, e.limit)
	}
	return answer{body, resp.Header}, nil
}

// refusal reads the message of {"code":3,"message":"…"}; other bodies are left
// unread.
func refusal(resp *http.Response) error {
	e := &StatusError{Status: resp.StatusCode}
	if body, err := io.ReadAll(io.LimitReader(resp.Body, rpcstatus.MaxSize)); err == nil {
		if status, err := rpcstatus.Parse(body); err == nil {
			e.Message = oneLine(status.Message)
		}
	}
	if retry.IsBusy(resp.StatusCode) || resp.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%w: %w", ErrUnavailable, e)
	}
	return e
}

// oneLine removes control characters and line breaks, so that untrusted text can't change a
// terminal.
func oneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
	if len(clean) > 500 {
		clean = strings.ToValidUTF8(clean[:500], "") + "…"
	}
	return clean
}
