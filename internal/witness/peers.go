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

// maxLines bounds a witness's answer, in bytes.
const maxLines = 16 << 10

// ErrQuorum says that too few witnesses have cosigned: the checkpoint is as good as
// it was, and no better.
var ErrQuorum = errors.New("too few witnesses have cosigned")

// ErrOtherTree says that what a witness has cosigned is not a beginning of the
// checkpoint that it was asked to cosign: of this log there are two.
var ErrOtherTree = fmt.Errorf("it has cosigned another tree: %w", tilelog.ErrSeenMore)

// Ahead is a witness that has cosigned more than it is asked to: another log signs with
// this key, or the log has lost entries.
type Ahead struct{ Cosigned, Asked uint64 }

func (a *Ahead) Error() string {
	return fmt.Sprintf("it has cosigned %d entries, and this log has %d: another log signs with this key, or entries were lost", a.Cosigned, a.Asked)
}

// Is makes an Ahead evidence of a log that lost entries.
func (*Ahead) Is(target error) bool { return target == tilelog.ErrSeenMore }

// Peer is a witness that is asked.
type Peer struct {
	URL string // submission prefix
	Key checkpoint.Key
}

// Peers are the witnesses that a log asks. They are safe for concurrent use.
type Peers struct {
	peers   []*peer
	quorum  int
	timeout time.Duration
	http    *http.Client
}

// peer is a Peer, and what it is known to have cosigned.
type peer struct {
	Peer
	verifier note.Verifier

	mu   sync.Mutex // held while it is asked
	seen uint64     // what it has cosigned last of this log
}

// PeersOptions say whom to ask. All fields are required.
type PeersOptions struct {
	Peers   []Peer
	Quorum  int           // how many must cosign, at least one
	Timeout time.Duration // for all of them together
	HTTP    *http.Client
}

// NewPeers checks the options.
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

// answer is what a witness has said.
type answer struct {
	name  string
	lines []byte
	err   error
}

// askAll asks all witnesses at once.
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

// Cosign asks all witnesses at once, and gives the signed checkpoint with the lines
// of those that have answered when there are enough. prove proves that a tree of old
// leaves is the beginning of the checkpoint's. Errors: ErrQuorum.
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
	return nil, fmt.Errorf("%w: %d of %d: %w", ErrQuorum, got, p.quorum, errors.Join(errs...))
}

// Newest asks all witnesses, and waits for all, whether they have seen nothing beyond a
// checkpoint, which must be without cosignatures: those say so that cosign it. It gives
// their names, and what the others say: ErrOtherTree and Ahead are evidence that it is
// not the newest; anything else is no answer.
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

// Enough says whether so many witnesses are among every quorum of them all, so that
// nothing has its cosignatures that none of these knows of.
func (p *Peers) Enough(agree int) bool { return agree+p.quorum > len(p.peers) }

// ask asks one witness, and once more from where it says that it is. What it says of
// a size is not signed, so that it is not remembered for longer than that.
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
		return nil, fmt.Errorf("answer is longer than %d bytes", maxLines)
	}
	return one.lines(envelope, body)
}

// lines are those of the answer that are the witness's own and verify: "The client
// MUST ignore any cosignatures from unknown keys."
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
