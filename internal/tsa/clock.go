// SPDX-License-Identifier: Apache-2.0

package tsa

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// maxStepBack bounds how far the clock may go back before requests are refused.
const maxStepBack = time.Second

// errClock reports that the clock has gone back.
var errClock = errors.New("clock has gone back")

// A clock returns whole seconds and never goes back.
type clock struct {
	read func() time.Time

	mu   sync.Mutex // held while the clock is read and last updated
	last time.Time
}

// now returns the time for a token. A token requested after another was
// returned never has an earlier time.
func (c *clock) now() (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Truncate strips the monotonic reading, which hides steps of the clock.
	now := c.read().UTC().Truncate(time.Second)
	switch back := c.last.Sub(now); {
	case back > maxStepBack:
		return time.Time{}, fmt.Errorf("%w by %v", errClock, back)
	case back < 0:
		c.last = now
	}
	return c.last, nil
}
