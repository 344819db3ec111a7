// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/hallmark-sign/hallmark/client/retry"
)

const (
	// defaultInterval: "If no value is provided, clients MUST use 5 as the
	// default" (RFC 8628 §3.2); slowDown: "the interval MUST be increased by 5
	// seconds" (§3.5).
	defaultInterval = 5 * time.Second
	slowDown        = 5 * time.Second

	maxInterval = time.Minute
	maxLife     = time.Hour
)

// A grant is the response to a device authorization request (RFC 8628 §3.2).
type grant struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	Address    string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	Expires    int64  `json:"expires_in"`
	Interval   int64  `json:"interval"`
}

// Device signs in with a browser on any machine. It prints an address and a
// code to out, and polls for the token until the user has entered the code.
// Errors match [client.ErrUnavailable], are of type *[Refused], or are those of
// the context.
func Device(ctx context.Context, o Options, out io.Writer) (token string, err error) {
	s, err := start(ctx, o)
	if err != nil {
		return "", err
	}
	if s.endpoints.Device == "" {
		return "", fmt.Errorf("issuer %s has no device flow", s.issuer)
	}
	var g grant
	err = s.post(ctx, s.endpoints.Device, url.Values{"client_id": {s.clientID}, "scope": {scope}}, &g)
	if err != nil {
		return "", fmt.Errorf("asking %s for a device code: %w", s.issuer, err)
	}
	if g.DeviceCode == "" || g.UserCode == "" || checkURL(g.Address) != nil {
		return "", fmt.Errorf("asking %s for a device code: response lacks a code or an address", s.issuer)
	}
	fmt.Fprintf(out, "Open this address in a browser on any machine:\n\n  %s\n\nand type this code: %s\n",
		oneLine(g.Address), oneLine(g.UserCode))
	token, err = s.poll(ctx, g)
	if err != nil {
		return "", fmt.Errorf("signing in at %s: %w", s.issuer, err)
	}
	return token, nil
}

// poll requests the token until there is a response (RFC 8628 §3.4, §3.5).
func (s *session) poll(ctx context.Context, g grant) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, within(g.Expires, maxLife, maxLife))
	defer cancel()
	interval := within(g.Interval, defaultInterval, maxInterval)
	form := url.Values{
		"grant_type":  {"urn:ietf:params:oauth:grant-type:device_code"},
		"client_id":   {s.clientID},
		"device_code": {g.DeviceCode},
	}
	for {
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the code was not entered in time: %w", ctx.Err())
		case <-time.After(interval):
		}
		token, err := s.token(ctx, "", form)
		var refused *Refused
		switch {
		case errors.As(err, &refused) && refused.Code == "authorization_pending":
		case errors.As(err, &refused) && refused.Code == "slow_down":
			interval += slowDown
		case errors.Is(err, retry.ErrUnavailable) && ctx.Err() == nil:
			interval = min(2*interval, maxInterval) // "such as … exponential backoff"
		default:
			return token, err
		}
	}
}

// within returns the seconds as a duration, byDefault if they are zero, at most
// most.
func within(seconds int64, byDefault, most time.Duration) time.Duration {
	if seconds <= 0 {
		return byDefault
	}
	return time.Duration(min(seconds, int64(most/time.Second))) * time.Second
}
