// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/witness"
)

// maxLines bounds the response of a witness, in bytes.
const maxLines = 16 << 10

// errQuorum reports that too few witnesses have cosigned. The checkpoint is
// still valid without their cosignatures.
var errQuorum = errors.New("too few witnesses have cosigned")

// ErrOtherTree reports that a witness has cosigned a tree that is not a
// beginning of the checkpoint: the log has a fork.
var ErrOtherTree = fmt.Errorf("witness has cosigned another tree: %w", tilelog.ErrSeenMore)

// An Ahead reports that a witness has cosigned more entries than the checkpoint
// has: another log signs with this key, or the log has lost entries.
type Ahead struct{ Cosigned, Asked uint64 }

func (a *Ahead) Error() string {
	return fmt.Sprintf("witness has cosigned %d entries, but this log has %d: another log signs with this key, or entries were lost", a.Cosigned, a.Asked)
}

// Is reports that an Ahead matches [tilelog.ErrSeenMore].
func (*Ahead) Is(target error) bool { return target == tilelog.ErrSeenMore }

// A Peer is a witness to ask.
type Peer struct {
	URL string // submission prefix
	Key checkpoint.Key
}

// Peers holds the witnesses that a log asks. It is safe for concurrent use.
type Peers struct {
	peers   []*peer
	quorum  int
	timeout time.Duration
	http    *http.Client
}

// A peer is a Peer with the size that it is known to have cosigned.
type peer struct {
	Peer
	verifier note.Verifier

	mu   sync.Mutex // held during a request
	seen uint64     // last cosigned size of this log
}

// PeersOptions holds the settings of [Peers]. All fields are required.
type PeersOptions struct {
	Peers   []Peer
	Quorum  int           // required number of cosignatures, at least one
	Timeout time.Duration // bound for all witnesses together
	HTTP    *http.Client
}

// NewPeers returns peers after checking the options.
func NewPeers(o PeersOptions) (*Peers, error) {
	if o.Quorum < 1 || o.Quorum > len(o.Peers) {
		return nil, fmt.Errorf("asking witnesses: a quorum of %d of %d", o.Quorum, len(o.Peers))
	}
	p := &Peers{quorum: o.Quorum, timeout: o.Timeout, http: o.HTTP}
	keys := make(map[string]bool)
	for _, one := range o.Peers {
		if !one.Key.Cosigning || keys[string(one.Key.Public)] {
			return nil, fmt.Errorf("asking witnesses: %s is the key of a log, or that of another witness as well", one.Key)
		}
		keys[string(one.Key.Public)] = true
		verifier, err := one.Key.Verifier()
		if err != nil {
			return nil, fmt.Errorf("asking witnesses: %w", err)
		}
		p.peers = append(p.peers, &peer{Peer: one, verifier: verifier})
	}
	return p, nil
}

// An answer is the response of a witness.
type answer struct {
	name  string
	lines []byte
	err   error
}

// askAll asks all witnesses concurrently.
func (p *Peers) askAll(ctx context.Context, envelope []byte, size uint64, prove func(old uint64) ([]tlog.Hash, error)) <-chan answer {
	answers := make(chan answer, len(p.peers))
	for _, one := range p.peers {
		go func() {
			lines, err := p.ask(ctx, one, envelope, size, prove)
			if err != nil {
				err = fmt.Errorf("%s: %w", one.Key.Name, err)
			}
			answers <- answer{one.Key.Name, lines, err}
		}()
	}
	return answers
}

// Cosign asks all witnesses concurrently and returns the signed checkpoint with
// their cosignatures once a quorum has responded. prove returns the proof that
// the tree of the first old leaves is a beginning of the checkpoint's. Errors
// match errQuorum.
func (p *Peers) Cosign(ctx context.Context, envelope []byte, size uint64, prove func(old uint64) ([]tlog.Hash, error)) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	answers := p.askAll(ctx, envelope, size, prove)
	cosigned, got := bytes.Clone(envelope), 0
	var errs []error
	for range p.peers {
		a := <-answers
		if a.err != nil {
			errs = append(errs, a.err)
			continue
		}
		cosigned = append(cosigned, a.lines...)
		if got++; got == p.quorum {
			return cosigned, nil
		}
	}
	return nil, fmt.Errorf("%w: %d of %d: %w", errQuorum, got, p.quorum, errors.Join(errs...))
}

// Newest asks all witnesses to cosign a checkpoint, which must have no cosignatures yet, to
// find out whether they have seen a newer one, and waits for all of them. It returns the names
// of those that cosigned, and the errors of the others: [ErrOtherTree] and [Ahead] are
// evidence that the checkpoint is not the newest; other errors prove nothing.
func (p *Peers) Newest(ctx context.Context, envelope []byte, size uint64, prove func(old uint64) ([]tlog.Hash, error)) (agree []string, others []error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	answers := p.askAll(ctx, envelope, size, prove)
	for range p.peers {
		if a := <-answers; a.err != nil {
			others = append(others, a.err)
		} else {
			agree = append(agree, a.name)
		}
	}
	return agree, others
}

// Enough reports whether every quorum includes at least one of so many witnesses. If so, at
// least one of them has seen every cosigned checkpoint.
func (p *Peers) Enough(agree int) bool { return agree+p.quorum > len(p.peers) }

// ask asks one witness, and once more from the size that it reports, if that
// differs. The reported size is unauthenticated, so it is not stored.
func (p *Peers) ask(ctx context.Context, one *peer, envelope []byte, size uint64, prove func(old uint64) ([]tlog.Hash, error)) ([]byte, error) {
	one.mu.Lock()
	defer one.mu.Unlock()
	lines, err := p.once(ctx, one, min(one.seen, size), envelope, prove)
	if other := new(conflict); errors.As(err, &other) {
		if other.size > size {
			return nil, &Ahead{other.size, size}
		}
		lines, err = p.once(ctx, one, other.size, envelope, prove)
	}
	if err != nil {
		return nil, err
	}
	one.seen = size
	return lines, nil
}

func (p *Peers) once(ctx context.Context, one *peer, old uint64, envelope []byte, prove func(old uint64) ([]tlog.Hash, error)) ([]byte, error) {
	request := witness.Request{Old: old, Checkpoint: envelope}
	if old > 0 {
		var err error
		if request.Proof, err = prove(old); err != nil {
			return nil, err
		}
	}
	raw, err := request.Marshal()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, one.URL+witness.Path, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxLines+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusConflict && resp.Header.Get("Content-Type") == witness.TypeSize:
		size, err := witness.ParseSize(body)
		if err != nil {
			return nil, err
		}
		return nil, &conflict{size}
	case resp.StatusCode == http.StatusConflict, resp.StatusCode == http.StatusUnprocessableEntity:
		return nil, fmt.Errorf("%w: %s", ErrOtherTree, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return nil, errors.New(resp.Status)
	case len(body) > maxLines:
		return nil, fmt.Errorf("response is longer than %d bytes", maxLines)
	}
	return one.lines(envelope, body)
}

// lines returns the lines of the response that are by the witness and verify:
// "The client MUST ignore any cosignatures from unknown keys."
func (one *peer) lines(envelope, answer []byte) ([]byte, error) {
	_, n, err := checkpoint.Open(append(bytes.Clone(envelope), answer...), one.verifier)
	if err != nil {
		return nil, err
	}
	var lines []byte
	for _, sig := range n.Sigs {
		lines = fmt.Appendf(lines, "— %s %s\n", sig.Name, sig.Base64)
	}
	return lines, nil
}
