// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hallmark-sign/hallmark/client/retry"
)

const (
	// tries is how often a service is asked that can't be reached, or does not say
	// when to come again.
	tries = 4

	// firstWait is how long the first wait is at least; each is twice the one
	// before, up to maxWait, which also bounds what a Retry-After can ask for.
	firstWait = 100 * time.Millisecond
	maxWait   = 10 * time.Second

	// patience is for exchanges without a deadline.
	patience = time.Minute

	// quietWait is a wait that nobody needs to be told of.
	quietWait = time.Second
)

// patient asks again when a service is too busy to answer: one that says when to
// come again (Retry-After) until the exchange's time is over, others a few times.
// Waits are up to twice as long as they need be, so that many clients that were
// refused at once do not come back at once.
type patient struct {
	next   http.RoundTripper
	notice func(string) // may be nil
}

// RoundTrip asks until there is an answer, or no time to ask again; then the last
// answer is given, or the last error.
func (p patient) RoundTrip(req *http.Request) (*http.Response, error) {
	deadline, ok := req.Context().Deadline()
	if !ok {
		deadline = time.Now().Add(patience)
	}
	for try, wait := 1, firstWait; ; try, wait = try+1, min(2*wait, maxWait) {
		resp, err := p.next.RoundTrip(req)
		after, asked := time.Duration(0), false
		if err == nil {
			after, asked = retry.After(resp.Header)
		}
		again := err != nil || retry.IsBusy(resp.StatusCode)
		if !again || !asked && try == tries {
			return resp, err
		}
		delay := max(wait, min(after, maxWait))
		delay += rand.N(delay)
		next, rewound := retry.Rewind(req)
		if !rewound || time.Now().Add(delay).After(deadline) {
			return resp, err
		}
		if resp != nil {
			err = refusal(resp)
			resp.Body.Close()
		}
		if p.notice != nil && delay >= quietWait {
			p.notice(fmt.Sprintf("waiting %.1f s for %s: %s", delay.Seconds(), req.URL.Host, oneLine(err.Error())))
		}
		if err := retry.Sleep(req.Context(), delay); err != nil {
			return nil, errors.Join(ErrUnavailable, err)
		}
		req = next
	}
}
