package admission

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"sync"
	"time"
)

const (
	// maxKeys bounds what a Limiter holds: some 100 bytes a key.
	maxKeys = 10_000

	// candidates is how many keys are looked at to find one to forget.
	candidates = 16
)

// Rate is so many attempts at once, then one in each pause.
type Rate struct {
	Burst int
	Pause time.Duration
}

// Throttled reports that there were too many attempts: answer 429.
type Throttled struct {
	Wait time.Duration // until there is surely another
	What string        // is limited
}

// Error names what is limited, and for how long.
func (t *Throttled) Error() string { return fmt.Sprintf("too many %s, wait %s", t.What, t.Wait) }

// RetryAfter is the header of that name.
func (t *Throttled) RetryAfter() string { return strconv.Itoa(max(1, int(t.Wait/time.Second))) }

// Limiter counts attempts by key. When it holds too many keys it forgets those that
// have used up least. It is safe for concurrent use. A nil Limiter limits nothing.
type Limiter struct {
	what  string
	rate  Rate
	clock func() time.Time

	mu      sync.Mutex // guards buckets
	buckets map[key]bucket
}

// key is the hash of a key, which has any length.
type key [sha256.Size]byte

// bucket is how many attempts were left at a time.
type bucket struct {
	left float64
	at   time.Time
}

// NewLimiter returns a limiter of what, in the plural, that has counted nothing.
func NewLimiter(what string, rate Rate, clock func() time.Time) *Limiter {
	return &Limiter{what: what, rate: rate, clock: clock, buckets: make(map[key]bucket)}
}

// Take counts an attempt. An empty key is not limited. Errors: *Throttled.
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

// Return takes back an attempt that was counted, such as one that succeeded.
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

// now returns the bucket of k as it is now.
func (l *Limiter) now(k key) (b bucket, known bool) {
	now := l.clock()
	b, known = l.buckets[k]
	if !known {
		return bucket{float64(l.rate.Burst), now}, false
	}
	passed := max(0, now.Sub(b.at))
	return bucket{min(float64(l.rate.Burst), b.left+float64(passed)/float64(l.rate.Pause)), now}, true
}

// forget drops the fullest of a few buckets, which are random ones. Whoever has many
// keys gets few of those forgotten that he has used up.
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
