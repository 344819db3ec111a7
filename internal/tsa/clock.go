package tsa

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// MaxStepBack is how far the clock may go back before requests are refused.
const MaxStepBack = time.Second

// errClock: the clock went back.
var errClock = errors.New("clock has gone back")

// clock gives whole seconds that never go back.
type clock struct {
	read func() time.Time

	mu   sync.Mutex // held from the reading of the clock to the time given
	last time.Time
}

// now is the time of a token. Of two tokens, the one that is asked for after the
// other is given has no earlier time.
func (c *clock) now() (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Truncate strips the monotonic reading, which hides steps of the clock.
	now := c.read().UTC().Truncate(time.Second)
	switch back := c.last.Sub(now); {
	case back > MaxStepBack:
		return time.Time{}, fmt.Errorf("%w by %v", errClock, back)
	case back < 0:
		c.last = now
	}
	return c.last, nil
}
