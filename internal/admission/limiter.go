// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"sync"
	"time"
)

const (
	// maxKeys bounds the keys of a Limiter, at about 100 bytes each.
	maxKeys = 10_000

	// candidates is the number of keys that are compared to find one to forget.
	candidates = 16
)

// A Rate allows Burst attempts at once, and then one per Pause.
type Rate struct {
	Burst int
	Pause time.Duration
}

// A Throttled error reports too many attempts. A server responds with 429.
type Throttled struct {
	Wait time.Duration // time until another attempt is allowed
	What string        // limited attempts, in the plural
}

// Error returns what is limited, and for how long.
func (t *Throttled) Error() string { return fmt.Sprintf("too many %s, wait %s", t.What, t.Wait) }

// RetryAfter returns the value of the header of that name.
func (t *Throttled) RetryAfter() string { return strconv.Itoa(max(1, int(t.Wait/time.Second))) }

// A Limiter counts attempts by key. If it has too many keys it forgets those
// with the most attempts left. It is safe for concurrent use. A nil Limiter
// limits nothing.
type Limiter struct {
	what  string
	rate  Rate
	clock func() time.Time

	mu      sync.Mutex // guards buckets
	buckets map[key]bucket
}

// key is the hash of a key, which may have any length.
type key [sha256.Size]byte

// A bucket has the number of attempts left at a time.
type bucket struct {
	left float64
	at   time.Time
}

// NewLimiter returns a limiter of what, a plural.
func NewLimiter(what string, rate Rate, clock func() time.Time) *Limiter {
	return &Limiter{what: what, rate: rate, clock: clock, buckets: make(map[key]bucket)}
}

// Take counts an attempt. An empty key is not limited. Errors are of type
// *[Throttled].
func (l *Limiter) Take(text string) error {
	if l == nil || text == "" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k := key(sha256.Sum256([]byte(text)))
	b, known := l.now(k)
	if b.left < 1 {
		return &Throttled{Wait: l.rate.Pause, What: l.what}
	}
	if !known && len(l.buckets) >= maxKeys {
		l.forget()
	}
	b.left--
	l.buckets[k] = b
	return nil
}

// Return undoes a counted attempt, such as a successful one.
func (l *Limiter) Return(text string) {
	if l == nil || text == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k := key(sha256.Sum256([]byte(text)))
	if b, known := l.now(k); known {
		b.left = min(float64(l.rate.Burst), b.left+1)
		l.buckets[k] = b
	}
}

// now returns the current bucket of k.
func (l *Limiter) now(k key) (b bucket, known bool) {
	now := l.clock()
	b, known = l.buckets[k]
	if !known {
		return bucket{float64(l.rate.Burst), now}, false
	}
	passed := max(0, now.Sub(b.at))
	return bucket{min(float64(l.rate.Burst), b.left+float64(passed)/float64(l.rate.Pause)), now}, true
}

// forget drops the fullest of a few random buckets, so that a client with many
// keys can hardly have exhausted ones forgotten.
func (l *Limiter) forget() {
	var fullest key
	most, seen := -1.0, 0
	for k := range l.buckets {
		if b, _ := l.now(k); b.left > most {
			fullest, most = k, b.left
		}
		if seen++; seen == candidates {
			break
		}
	}
	delete(l.buckets, fullest)
}
