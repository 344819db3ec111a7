// SPDX-License-Identifier: Apache-2.0

package refusal

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/hallmark-sign/hallmark/internal/admission"
)

const (
	// usualWait is the Retry-After of a 503 whose row has none, in seconds: long enough
	// for a restart.
	usualWait = 10

	// maxCause bounds what a client can write into a line of the log, in bytes.
	maxCause = 500
)

// A Match reports whether a row is about an error.
type Match func(error) bool

// Is matches errors that are one of targets, by errors.Is.
func Is(targets ...error) Match {
	return func(err error) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
	}
}

// As reports whether err is of type E, by errors.As. It is a Match.
func As[E error](err error) bool { return errors.As(err, new(E)) }

// A Row is a problem of an API. C is what its answers have besides status and text, such
// as a code.
type Row[C any] struct {
	When   Match // nil matches every error
	Status int
	Code   C
	Text   string

	// Wait is the Retry-After, in seconds. Zero is 10 for 503, and none for others.
	Wait int

	// Fill completes the answer with what depends on the error; may be nil.
	Fill func(*Problem[C], error)
}

// A Table lists problems. The first row that matches counts.
type Table[C any] []Row[C]

// A Problem is the answer to an error.
type Problem[C any] struct {
	Status     int
	Code       C
	Text       string
	RetryAfter string // value of the header; empty: none
}

// Of returns the problem of err. Without a row it is 500.
func (t Table[C]) Of(err error) Problem[C] {
	i := slices.IndexFunc(t, func(r Row[C]) bool { return r.When == nil || r.When(err) })
	if i < 0 {
		return Problem[C]{Status: http.StatusInternalServerError, Text: "internal error"}
	}
	row := t[i]
	p := Problem[C]{Status: row.Status, Code: row.Code, Text: row.Text}
	throttled := new(admission.Throttled)
	switch {
	case row.Status == http.StatusTooManyRequests && errors.As(err, &throttled):
		p.RetryAfter = throttled.RetryAfter()
	case row.Wait > 0:
		p.RetryAfter = strconv.Itoa(row.Wait)
	case row.Status == http.StatusServiceUnavailable:
		p.RetryAfter = strconv.Itoa(usualWait)
	}
	if row.Fill != nil {
		row.Fill(&p, err)
	}
	return p
}

// SetHeader sets the Retry-After of the problem, if it has one.
func (p Problem[C]) SetHeader(h http.Header) {
	if p.RetryAfter != "" {
		h.Set("Retry-After", p.RetryAfter)
	}
}

// Throttled returns the row of a client that has used up its share.
func Throttled[C any](code C) Row[C] {
	return Row[C]{
		When: As[*admission.Throttled], Status: http.StatusTooManyRequests, Code: code,
		Fill: func(p *Problem[C], err error) {
			if throttled := new(admission.Throttled); errors.As(err, &throttled) {
				p.Text = "too many " + throttled.What
			}
		},
	}
}

// Cut returns text of a client as the log has it: its first 500 bytes.
func Cut(text string) string { return text[:min(len(text), maxCause)] }
