// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	// attempts bounds the requests to a service that can't be reached, or does not say when
	// to ask again.
	attempts = 4

	// firstWait is the shortest first wait. Each wait is at least twice the one before, up to
	// maxWait, which also bounds the random part of a wait.
	firstWait = 100 * time.Millisecond
	maxWait   = 10 * time.Second

	// patience bounds all attempts together if the context has no deadline.
	patience = time.Minute

	// maxDrained is the number of bytes of a response that are read so that its connection
	// can be used again.
	maxDrained = 64 << 10
)

// errBody reports a request whose body can't be sent again.
var errBody = errors.New("the request's body can't be sent again")

// A Transport repeats a request while a service is too busy to answer it (429, 502, 503 or
// 504). If the service says when to ask again (Retry-After), it does so until the context's
// deadline, or for a minute if there is none; otherwise four times, with growing waits. It adds
// a random part to each wait, so that many clients that were refused at once don't return at
// once. It returns the last response or error.
//
// A request with a body is repeated if it has GetBody. It may be sent again by the caller too,
// for example after a token has expired.
type Transport struct {
	Base http.RoundTripper

	// Unanswered repeats requests that got no response, for services to which sending a
	// request twice does no harm. Certificates that aren't trusted end the attempts.
	Unanswered bool

	// Notice, if not nil, is called before each wait with the response, whose body it may
	// read, or the error. It must be safe for concurrent use.
	Notice func(wait time.Duration, req *http.Request, resp *http.Response, err error)
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.GetBody != nil {
		fresh, ok := rewind(req)
		if !ok {
			return nil, errBody
		}
		req.Body.Close()
		req = fresh
	}
	deadline, ok := req.Context().Deadline()
	if !ok {
		deadline = time.Now().Add(patience)
	}
	for attempt, wait := 1, firstWait; ; attempt, wait = attempt+1, min(2*wait, maxWait) {
		resp, err := t.Base.RoundTrip(req)
		asked, told := time.Duration(0), false
		if err == nil {
			asked, told = after(resp.Header)
		}
		if !t.mayHelp(req, resp, err) || attempt >= attempts && !told {
			return resp, err
		}
		delay := max(wait, asked)
		delay += rand.N(min(delay, maxWait))
		if time.Now().Add(delay).After(deadline) {
			return resp, err
		}
		next, ok := rewind(req)
		if !ok {
			return resp, err
		}
		t.giveUp(delay, req, resp, err)
		if err := Sleep(req.Context(), delay); err != nil {
			return nil, err
		}
		req = next
	}
}

// mayHelp reports whether to repeat a request after a response or an error.
func (t *Transport) mayHelp(req *http.Request, resp *http.Response, err error) bool {
	if err == nil {
		return IsBusy(resp.StatusCode)
	}
	untrusted := new(tls.CertificateVerificationError)
	return t.Unanswered && req.Context().Err() == nil && !errors.As(err, &untrusted)
}

// giveUp reports a failed attempt and frees the connection.
func (t *Transport) giveUp(delay time.Duration, req *http.Request, resp *http.Response, err error) {
	if t.Notice != nil {
		t.Notice(delay, req, resp, err)
	}
	if resp != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxDrained))
		resp.Body.Close()
	}
}
