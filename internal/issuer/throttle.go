package issuer

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"time"
)

const (
	// hashers is how many passwords are hashed at a time: 64 MiB each.
	hashers = 2

	// hashPatience is how long a sign-in waits for its turn.
	hashPatience = 5 * time.Second

	// maxThrottled bounds the accounts that failures are remembered of.
	maxThrottled = 10_000
)

// errBusy says that there are more sign-ins than the server has memory for:
// answer 503.
var errBusy = errors.New("too many sign-ins at once")

// limit is a bucket of attempts: so many at once, then one in each pause.
type limit struct {
	burst float64
	pause time.Duration
}

// perAccount lets a guesser try some 3000 passwords a day.
func perAccount() limit { return limit{10, 30 * time.Second} }

// overall is for guesses over many accounts, and for guesses at user codes: of
// 20^8 codes of which a thousand wait, five guesses a second find one in two
// months (RFC 8628 §5.1).
func overall() limit { return limit{50, 200 * time.Millisecond} }

// bucket is how many attempts were left at a time.
type bucket struct {
	left float64
	at   time.Time
}

func (l limit) at(b bucket, now time.Time) bucket {
	if b.at.IsZero() {
		return bucket{l.burst, now}
	}
	passed := max(0, now.Sub(b.at))
	return bucket{min(l.burst, b.left+float64(passed)/float64(l.pause)), now}
}

// throttle slows guessing down: per account, known or not, and over all. An
// attempt that succeeds does not count. Somebody who keeps guessing at an account
// keeps its owner waiting too; that is the price of a password that others may
// guess at.
type throttle struct {
	clock func() time.Time
	turn  chan struct{} // holds one value per password being hashed

	mu       sync.Mutex // guards the rest
	all      bucket
	accounts map[account]bucket
}

// account names an account, known or not, in a fixed size. The zero account is
// none.
type account [sha256.Size]byte

func accountOf(email string) account { return sha256.Sum256([]byte(strings.ToLower(email))) }

func newThrottle(clock func() time.Time) *throttle {
	return &throttle{clock: clock, turn: make(chan struct{}, hashers), accounts: map[account]bucket{}}
}

// take counts an attempt at an account; none counts only over all. If it is one
// too many, wait says for how long.
func (t *throttle) take(key account) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	all := overall().at(t.all, now)
	if all.left < 1 {
		return overall().pause
	}
	if key != (account{}) {
		own := perAccount().at(t.accounts[key], now)
		if own.left < 1 || !t.room(key, now) {
			return perAccount().pause
		}
		own.left--
		t.accounts[key] = own
	}
	all.left--
	t.all = all
	return 0
}

// room forgets accounts that have been quiet when there are too many.
func (t *throttle) room(key account, now time.Time) bool {
	if _, ok := t.accounts[key]; ok || len(t.accounts) < maxThrottled {
		return true
	}
	for other, b := range t.accounts {
		if perAccount().at(b, now).left >= perAccount().burst {
			delete(t.accounts, other)
		}
	}
	return len(t.accounts) < maxThrottled
}

// succeeded gives the attempt back.
func (t *throttle) succeeded(key account) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.accounts, key)
	t.all.left = min(overall().burst, t.all.left+1)
}

// hashing waits for a turn; done ends it. Errors: errBusy.
func (t *throttle) hashing(ctx context.Context) (done func(), err error) {
	timer := time.NewTimer(hashPatience)
	defer timer.Stop()
	select {
	case t.turn <- struct{}{}:
		return func() { <-t.turn }, nil
	case <-timer.C:
		return nil, errBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
