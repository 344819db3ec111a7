// SPDX-License-Identifier: Apache-2.0

package refusal

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/admission"
)

var (
	errOne  = errors.New("one")
	errTwo  = errors.New("two")
	errBusy = errors.New("busy")
)

var table = Table[int]{
	Throttled(8),
	{When: Is(errOne, errTwo), Status: 400, Code: 3, Text: "bad"},
	{When: Is(errBusy), Status: 503, Code: 14, Text: "busy", Wait: 1},
	{When: As[*http.MaxBytesError], Status: 413, Code: 3, Fill: func(p *Problem[int], err error) { p.Text = "large" }},
	{When: Is(errors.ErrUnsupported), Status: 503, Code: 14, Text: "down"},
}

// TestOf checks that the first matching row applies, also to wrapped errors, and that the cause
// is never in the response.
func TestOf(t *testing.T) {
	limiter := admission.NewLimiter("tries", admission.Rate{Burst: 1, Pause: time.Minute}, time.Now)
	if err := limiter.Take("a"); err != nil {
		t.Fatal(err)
	}
	throttled := limiter.Take("a")
	for name, c := range map[string]struct {
		err  error
		want Problem[int]
	}{
		"throttled": {fmt.Errorf("%w: secret", throttled), Problem[int]{429, 8, "too many tries", "60"}},
		"second":    {fmt.Errorf("secret: %w", errTwo), Problem[int]{400, 3, "bad", ""}},
		"first row": {errors.Join(errBusy, errOne), Problem[int]{400, 3, "bad", ""}},
		"busy":      {errBusy, Problem[int]{503, 14, "busy", "1"}},
		"large":     {fmt.Errorf("secret: %w", &http.MaxBytesError{Limit: 1}), Problem[int]{413, 3, "large", ""}},
		"down":      {errors.ErrUnsupported, Problem[int]{503, 14, "down", "10"}},
		"unknown":   {errors.New("secret"), Problem[int]{500, 0, "internal error", ""}},
	} {
		got := table.Of(c.err)
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
		h := http.Header{}
		if got.SetHeader(h); h.Get("Retry-After") != c.want.RetryAfter || len(h) > 0 && c.want.RetryAfter == "" {
			t.Errorf("%s: header %v", name, h)
		}
	}
	if got := Cut(strings.Repeat("x", 1000)); len(got) != 500 {
		t.Errorf("a cause of %d bytes", len(got))
	}
}
