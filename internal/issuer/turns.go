// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

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
