package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/wire/attestations"
)

// prefix is where the API is; the subject's digest follows.
const prefix = "/api/v1/bundles/"

const (
	// maxRequest is a bundle, and what is around it.
	maxRequest = attestations.MaxBundle + 1<<10

	// smallRequest is longer than what a signature over a file's bytes takes. All that
	// come are read at once.
	smallRequest = 128 << 10

	// largeRequests is how many longer ones, which carry an attestation's predicate,
	// are in memory at a time: each costs some four times its size.
	largeRequests = 4

	// largePatience is how long a large request waits for its turn.
	largePatience = 5 * time.Second

	// Of a large request so much must come in each largePause, and all of it in
	// largeTime: whoever stalls loses the turn before others lose patience.
	largePiece = 256 << 10
	largePause = 2 * time.Second
	largeTime  = 20 * time.Second
)

// Handler serves the store's API, and nothing else.
func (s *Store) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(prefix+"{digest...}", s.serve)
	return mux
}

func (s *Store) serve(w http.ResponseWriter, r *http.Request) {
	digest, err := attestations.ParseDigest(r.PathValue("digest"))
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", errDigest, err)
	case r.Method == http.MethodPost:
		err = s.servePost(w, r, digest)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		err = s.serveGet(w, r, digest)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		err = errMethod
	}
	if err != nil {
		s.refuse(w, r, err)
	}
}

func (s *Store) servePost(w http.ResponseWriter, r *http.Request, digest []byte) error {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/json") {
		return errContentType
	}
	body, done, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	defer done()
	raw, err := attestations.ParseRequest(body)
	if err != nil {
		return err
	}
	id, err := s.Keep(r.Context(), digest, raw)
	if err != nil {
		return err
	}
	write(w, http.StatusCreated, fmt.Appendf(nil, `{"id":%d}`, id))
	return nil
}

// readBody reads a request. Anybody may send 32 MiB, so those who do take turns,
// each until done.
func (s *Store) readBody(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	if r.ContentLength > maxRequest {
		return nil, nil, errTooLarge
	}
	in := http.MaxBytesReader(w, r.Body, maxRequest)
	done = func() {}
	body, err = io.ReadAll(io.LimitReader(in, smallRequest+1))
	if err == nil && len(body) > smallRequest {
		if done, err = s.turn(r.Context()); err != nil {
			return nil, nil, err
		}
		body, err = readOn(http.NewResponseController(w), in, body)
	}
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("%w: %w", errBody, err)
	}
	return body, done, nil
}

// readOn reads the rest of a large request, and leaves time for what is done with it:
// net/http ends a request whose connection has passed its deadline.
func readOn(c *http.ResponseController, in io.Reader, body []byte) ([]byte, error) {
	for end := time.Now().Add(largeTime); ; {
		deadline := time.Now().Add(largePause)
		if deadline.After(end) {
			deadline = end
		}
		if err := c.SetReadDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil, err
		}
		piece, err := io.ReadAll(io.LimitReader(in, largePiece))
		if body = append(body, piece...); err != nil {
			return nil, err
		}
		if len(piece) < largePiece {
			c.SetReadDeadline(time.Now().Add(largeTime)) // as it could before
			return body, nil
		}
	}
}

// turn waits for a turn; done ends it. Errors: errBusy, the context's.
func (s *Store) turn(ctx context.Context) (done func(), err error) {
	timer := time.NewTimer(largePatience)
	defer timer.Stop()
	select {
	case s.large <- struct{}{}:
		return func() { <-s.large }, nil
	case <-timer.C:
		return nil, errBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // an error is the client's, who has gone
}
