// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/hallmark-sign/hallmark/client/retry"
)

// maxResponse bounds a response, in bytes.
const maxResponse = 1 << 20

// get reads a JSON object; bearer may be empty.
func (s *session) get(ctx context.Context, where, bearer string, v any) error {
	return getJSON(ctx, s.http, where, bearer, v)
}

func getJSON(ctx context.Context, client *http.Client, where, bearer string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return exchange(client, req, v)
}

// post sends a form and reads a JSON object. Errors: client.ErrUnavailable, *Refused.
func (s *session) post(ctx context.Context, where string, form url.Values, v any) error {
	if err := checkURL(where); err != nil {
		return fmt.Errorf("endpoint: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, where, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return exchange(s.http, req, v)
}

func exchange(client *http.Client, req *http.Request, v any) error {
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "hallmark")
	resp, body, err := do(client, req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(resp, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s: response is not the expected JSON object", req.URL.Redacted()) // err would quote it
	}
	return nil
}

// do returns the response and its whole body.
func do(client *http.Client, req *http.Request) (*http.Response, []byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", retry.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: reading response: %w", retry.ErrUnavailable, err)
	}
	if len(body) > maxResponse {
		return nil, nil, fmt.Errorf("response is longer than %d bytes", maxResponse)
	}
	return resp, body, nil
}

// refusal returns the error for a response with
// {"error":"…","error_description":"…"} (RFC 6749 §5.2).
func refusal(resp *http.Response, body []byte) error {
	var problem struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	e := &Refused{Code: resp.Status}
	if json.Unmarshal(body, &problem) == nil && problem.Code != "" {
		e = &Refused{oneLine(problem.Code), oneLine(problem.Description)}
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("%w: %w", retry.ErrUnavailable, e)
	}
	return e
}

// oneLine removes control characters, so that untrusted text can't change a
// terminal.
func oneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
	if len(clean) > 300 {
		clean = strings.ToValidUTF8(clean[:300], "") + "…"
	}
	return clean
}
