// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"errors"
	"time"
)

// A Validity is a window of time: "closed and includes both the start and end
// times" (sigstore_common.proto, TimeRange). A zero End leaves it open; the zero
// Validity contains nothing.
type Validity struct {
	Start, End time.Time
}

// Contains reports whether t lies in the window.
func (v Validity) Contains(t time.Time) bool {
	if v.Start.IsZero() || t.Before(v.Start) {
		return false
	}
	return v.End.IsZero() || !t.After(v.End)
}

// read reads a window. The start is required: without it a key or an authority
// would be trusted for all of the past.
func (m *timeRange) read() (Validity, error) {
	if m == nil || m.start == nil {
		return Validity{}, errors.New("validity without a start")
	}
	v := Validity{Start: *m.start}
	if m.end != nil {
		if m.end.Before(v.Start) {
			return Validity{}, errors.New("validity ends before it starts")
		}
		v.End = *m.end
	}
	return v, nil
}

func (v Validity) message() *timeRange {
	m := &timeRange{start: &v.Start}
	if !v.End.IsZero() {
		m.end = &v.End
	}
	return m
}
