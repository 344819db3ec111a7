package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/wire/rpcstatus"
)

// ErrUnavailable says that a service could not be asked or was too busy to
// answer: nothing is known, so try again later.
var ErrUnavailable = errors.New("service is unavailable")

// StatusError is a service's refusal.
type StatusError struct {
	Status  int
	Message string // the service's words, cut to a line
}

// Error says what the service said.
func (e *StatusError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%d %s: %s", e.Status, http.StatusText(e.Status), e.Message)
}

const (
	attempts = 4
	// maxWait bounds what a Retry-After can ask for.
	maxWait = 10 * time.Second
)

// NewHTTP is an http.Client for the types of this package: it follows no
// redirect and gives each request the time given.
func NewHTTP(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// exchange is one question to a service.
type exchange struct {
	method, url string
	contentType string
	bearer      string // token; empty: none
	body        []byte
	want        int // the one status that is an answer
	limit       int64
}

// do asks until there is an answer, a refusal, or no more patience. Errors:
// ErrUnavailable, *StatusError, the context's.
func (e exchange) do(ctx context.Context, h *http.Client) ([]byte, error) {
	answer, err := e.ask(ctx, h)
	return answer.body, err
}

// answer is what a service says when it does not refuse.
type answer struct {
	body   []byte
	header http.Header
}

// ask is do, with the header of the answer.
func (e exchange) ask(ctx context.Context, h *http.Client) (answer, error) {
	wait := 100 * time.Millisecond
	for attempt := 1; ; attempt++ {
		a, after, err := e.once(ctx, h)
		if err == nil || !errors.Is(err, ErrUnavailable) || attempt == attempts {
			return a, err
		}
		select {
		case <-ctx.Done():
			return answer{}, err
		case <-time.After(max(wait, min(after, maxWait))):
			wait *= 2
		}
	}
}

func (e exchange) once(ctx context.Context, h *http.Client) (a answer, after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, e.method, e.url, bytes.NewReader(e.body))
	if err != nil {
		return a, 0, err
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
		return a, 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != e.want {
		return a, retryAfter(resp.Header), refusal(resp)
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, e.limit+1))
	if err != nil {
		return answer{}, 0, fmt.Errorf("%w: reading answer: %w", ErrUnavailable, err)
	}
	if int64(len(a.body)) > e.limit {
		return answer{}, 0, fmt.Errorf("answer is longer than %d bytes", e.limit)
	}
	a.header = resp.Header
	return a, 0, nil
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
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
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("%w: %w", ErrUnavailable, e)
	}
	return e
}

// oneLine keeps a stranger's text from drawing on a terminal.
func oneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
	if len(clean) > 300 {
		clean = strings.ToValidUTF8(clean[:300], "") + "…"
	}
	return clean
}
