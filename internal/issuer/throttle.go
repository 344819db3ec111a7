// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hallmark-sign/hallmark/internal/admission"
)

// Limits bounds the attempts of untrusted clients.
type Limits struct {
	Account    admission.Rate // wrong passwords, by account and address
	AllAccount admission.Rate // wrong passwords, by account, from addresses that have not signed in to it
	Address    admission.Rate // wrong passwords and wrong user codes, by address
	Devices    admission.Rate // started sign-ins of devices, by address
}

// UnlimitedUnsafe returns limits that allow any number of attempts, for tests
// of clients.
func UnlimitedUnsafe() Limits {
	none := admission.Rate{Burst: 1 << 30, Pause: time.Nanosecond}
	return Limits{Account: none, AllAccount: none, Address: none, Devices: none}
}

// guesses returns the limit of wrong user codes over all addresses: with 20^8
// codes of which ten thousand wait, five guesses a second find one in six days
// (RFC 8628 §5.1).
func guesses() admission.Rate { return admission.Rate{Burst: 50, Pause: 200 * time.Millisecond} }

// maxFamiliar bounds the remembered pairs of account and address.
const maxFamiliar = 10_000

// A throttle slows down guessing. Successful attempts do not count.
type throttle struct {
	account    *admission.Limiter
	allAccount *admission.Limiter
	address    *admission.Limiter
	codes      *admission.Limiter
	devices    *admission.Limiter

	mu       sync.Mutex // guards familiar
	familiar map[[sha256.Size]byte]struct{}
}

// errPartly reports that one limit refused an attempt that others had counted.
var errPartly = errors.New("not all limits counted it")

func newThrottle(l Limits, clock func() time.Time) *throttle {
	return &throttle{
		account:    admission.NewLimiter("wrong passwords for this account from this address", l.Account, clock),
		allAccount: admission.NewLimiter("wrong passwords for this account", l.AllAccount, clock),
		address:    admission.NewLimiter("failed sign-ins from this address", l.Address, clock),
		codes:      admission.NewLimiter("wrong user codes", guesses(), clock),
		devices:    admission.NewLimiter("sign-ins of devices from this address", l.Devices, clock),
		familiar:   make(map[[sha256.Size]byte]struct{}),
	}
}

// An attempt is an attempt to sign in to an account, existing or not, or to
// find a user code.
type attempt struct {
	throttle *throttle
	client   string // empty if no limit by address applies
	account  string // empty for a user code
}

func (t *throttle) attempt(c admission.Client, email string) attempt {
	return attempt{t, c.Key(), strings.ToLower(email)}
}

// pair returns the key for account and address together.
func (a attempt) pair() string { return a.account + "\n" + a.client }

// counts calls f with each limit that applies to the attempt, until one fails.
func (a attempt) counts(f func(l *admission.Limiter, key string) error) error {
	t := a.throttle
	if err := f(t.address, a.client); err != nil {
		return err
	}
	if a.account == "" {
		return f(t.codes, "all")
	}
	if err := f(t.account, a.pair()); err != nil {
		return err
	}
	if a.familiar() {
		return nil
	}
	return f(t.allAccount, a.account)
}

// take counts the attempt. If one limit refuses, none counts it. Errors are of
// type *admission.Throttled.
func (a attempt) take() error {
	taken := 0
	err := a.counts(func(l *admission.Limiter, key string) error {
		err := l.Take(key)
		if err == nil {
			taken++
		}
		return err
	})
	if err != nil {
		a.giveBack(taken)
	}
	return err
}

// giveBack undoes the attempt at the first n limits.
func (a attempt) giveBack(n int) {
	a.counts(func(l *admission.Limiter, key string) error {
		if n--; n < 0 {
			return errPartly
		}
		l.Return(key)
		return nil
	})
}

// allLimits exceeds the number of limits of an attempt.
const allLimits = 8

// succeeded undoes the attempt and remembers the address for the account.
func (a attempt) succeeded() {
	a.giveBack(allLimits)
	if a.account == "" {
		return
	}
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.familiar) >= maxFamiliar {
		for other := range t.familiar { // a random one
			delete(t.familiar, other)
			break
		}
	}
	t.familiar[sha256.Sum256([]byte(a.pair()))] = struct{}{}
}

// familiar reports whether a person has signed in to the account from the
// address.
func (a attempt) familiar() bool {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.familiar[sha256.Sum256([]byte(a.pair()))]
	return ok
}

const (
	// hashTimeout bounds how long a sign-in waits for its turn.
	hashTimeout = 5 * time.Second

	// maxWaiting bounds the sign-ins that wait in each line.
	maxWaiting = 32
)

// errBusy reports that too many sign-ins wait. A server responds with 503.
var errBusy = errors.New("too many sign-ins at once")

// turns serializes the hashing of passwords, each of which takes 64 MiB and
// four processors. There are two lines; that of addresses that have signed in
// before comes first.
type turns struct {
	mu    sync.Mutex // guards the rest
	taken bool
	lines [2][]chan struct{}
}

// take waits for a turn, which done ends. Errors match errBusy or are those of
// the context.
func (q *turns) take(ctx context.Context, familiar bool) (done func(), err error) {
	line := 1
	if familiar {
		line = 0
	}
	mine, err := q.join(line)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(hashTimeout)
	defer timer.Stop()
	select {
	case <-mine:
		return q.pass, nil
	case <-timer.C:
		err = errBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	q.mu.Lock()
	i := slices.Index(q.lines[line], mine)
	if i >= 0 {
		q.lines[line] = slices.Delete(q.lines[line], i, i+1)
	}
	q.mu.Unlock()
	if i < 0 { // the turn came at the same time
		q.pass()
	}
	return nil, err
}

// join returns a channel that is closed when the turn comes.
func (q *turns) join(line int) (chan struct{}, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	mine := make(chan struct{})
	switch {
	case !q.taken:
		q.taken = true
		close(mine)
	case len(q.lines[line]) >= maxWaiting:
		return nil, errBusy
	default:
		q.lines[line] = append(q.lines[line], mine)
	}
	return mine, nil
}

// pass passes the turn to the next.
func (q *turns) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, line := range q.lines {
		if len(line) > 0 {
			close(line[0])
			q.lines[i] = line[1:]
			return
		}
	}
	q.taken = false
}
