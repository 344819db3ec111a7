// SPDX-License-Identifier: Apache-2.0

package listener

import (
	"testing"
	"time"
)

// TestDeadlines checks that a client that is slow on purpose holds a connection for a bounded
// time, and bounded memory.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]struct{ is, most time.Duration }{
		"header": {headerTimeout, 10 * time.Second}, "reading": {readTimeout, 30 * time.Second},
		"writing": {writeTimeout, time.Minute}, "idle": {idleTimeout, 2 * time.Minute},
	} {
		if d.is <= 0 || d.is > d.most {
			t.Errorf("%s: %v, want at most %v", name, d.is, d.most)
		}
	}
	if maxHeader <= 0 || maxHeader > 64<<10 {
		t.Errorf("header of %d bytes", maxHeader)
	}
}
