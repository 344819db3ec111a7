package rekorlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hallmark-sign/hallmark/wire/rekor"
)

const (
	// smallRequest is as long as a request is that only its entry makes long. All
	// that come are read at once.
	smallRequest = 128 << 10

	// largeRequests is how many longer ones, which carry an envelope's payload,
	// are in memory at a time: each costs some four times its size.
	largeRequests = 4

	// largePatience is how long a large request waits for its turn.
	largePatience = 5 * time.Second
)

// errBusy says that there are more large requests than the server has memory
// for: answer 503.
var errBusy = errors.New("too many large requests at once")

// readRequest reads and decodes. Anybody may send 8 MiB, so those who do take
// turns.
func (l *Log) readRequest(in io.Reader, r *http.Request) (rekor.HashedRekord, error) {
	body, err := io.ReadAll(io.LimitReader(in, smallRequest+1))
	if err == nil && len(body) > smallRequest {
		done, busy := l.turn(r.Context())
		if busy != nil {
			return rekor.HashedRekord{}, busy
		}
		defer done()
		var rest []byte
		rest, err = io.ReadAll(in)
		body = append(body, rest...)
	}
	if err != nil {
		return rekor.HashedRekord{}, fmt.Errorf("%w: %w", errBody, err)
	}
	return rekor.ParseRequest(body)
}

// turn waits for a turn; done ends it. Errors: errBusy, the context's.
func (l *Log) turn(ctx context.Context) (done func(), err error) {
	timer := time.NewTimer(largePatience)
	defer timer.Stop()
	select {
	case l.large <- struct{}{}:
		return func() { <-l.large }, nil
	case <-timer.C:
		return nil, errBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
