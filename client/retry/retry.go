// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// ErrUnavailable reports that a service could not be reached, was too busy or failed to
// respond (429, 5xx): nothing is known, so try again later. It is the same value as
// client.ErrUnavailable, for packages that must not import client.
var ErrUnavailable = errors.New("service is unavailable")

// IsBusy reports whether a retry may help after a status: 429, 502, 503 or 504.
func IsBusy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// longest bounds a wait that a service asks for. It is longer than any deadline, and can be
// added to one.
const longest = (1<<31 - 1) * time.Second

// after returns how long a service asks clients to wait (Retry-After, RFC 9110
// §10.2.3), and whether it does.
func after(h http.Header) (wait time.Duration, ok bool) {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil || errors.Is(err, strconv.ErrRange) { // then it is longest
		return time.Duration(seconds) * time.Second, true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(time.Until(date), 0), longest), true
}

// rewind returns the request with its body from the start, and whether the body can
// be sent again.
func rewind(req *http.Request) (*http.Request, bool) {
	next := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return next, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	next.Body = body
	return next, err == nil
}

// Sleep waits for d, or until the context ends; then it returns the context's error.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
