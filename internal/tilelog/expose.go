// SPDX-License-Identifier: Apache-2.0

package tilelog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// askAgain is the pause after too few witnesses have cosigned.
const askAgain = time.Second

// A Cosigner collects cosignatures of witnesses.
type Cosigner interface {
	// Cosign returns the signed checkpoint of size leaves with the cosignatures of enough
	// witnesses after its own lines. prove returns a proof that the first old leaves are a
	// prefix of this tree. Cosign bounds the time that it takes. After an error it is called
	// again with the newest checkpoint, except that ErrSeenMore stops the log.
	Cosign(ctx context.Context, checkpoint []byte, size uint64, prove func(old uint64) ([]tlog.Hash, error)) ([]byte, error)
}

// exposed is the checkpoint that readers see, if witnesses cosign it after the log's head is
// published.
type exposed struct {
	mu      sync.Mutex
	head    head
	missing error         // why witnesses did not cosign the last time
	changed chan struct{} // closed when any of these changes
}

func (x *exposed) set(h head, missing error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.head, x.missing = h, missing
	close(x.changed)
	x.changed = make(chan struct{})
}

func (x *exposed) get() (h head, changed chan struct{}, missing error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.head, x.changed, x.missing
}

// exposeAll gets the newest checkpoint with complete tiles cosigned and publishes it, in a
// loop until no newer one will come.
func (e *engine) exposeAll() {
	for range e.offered {
		for {
			cosigned, err := e.expose()
			if err != nil {
				e.fail(fmt.Errorf("publishing: %w", err))
				return
			}
			if cosigned || !e.rest(askAgain) {
				break
			}
		}
	}
}

// rest waits for d. It returns early if the engine is stopping.
func (e *engine) rest(d time.Duration) bool {
	select {
	case <-e.drained:
		return false
	case <-time.After(d):
		return true
	}
}

// expose gets the newest checkpoint cosigned and publishes it. It is no error if witnesses do
// not answer: the options decide whether the checkpoint is published without them.
func (e *engine) expose() (ok bool, err error) {
	shown, _, missing := e.exposed.get()
	h := e.newest()
	if missing != nil && !e.o.Witnessed {
		if err := e.show(h, missing); err != nil {
			return false, err
		}
	}
	cosigned, missing := e.o.Cosigner.Cosign(context.Background(), h.envelope, h.size, e.proofTo(h.size))
	if missing == nil {
		h.envelope = cosigned
		return true, e.show(h, nil)
	}
	if errors.Is(missing, ErrSeenMore) && !e.o.ending {
		return false, missing
	}
	e.o.Logger.Error("witnesses have not cosigned", "dir", e.o.Storage.Name, "size", h.size, "cause", missing)
	if e.o.Witnessed {
		e.exposed.set(shown, missing)
		return false, nil
	}
	return false, e.show(h, missing)
}

// show writes the checkpoint that readers see.
func (e *engine) show(h head, missing error) error {
	if err := e.replace(e.shown, h); err != nil {
		return err
	}
	e.reach.extend(h.size)
	e.exposed.set(h, missing)
	signal(e.grown)
	return nil
}

// newest returns the newest checkpoint with complete tiles.
func (e *engine) newest() head {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.tiledHead
}

// unwitnessed returns [ErrUnwitnessed] if witnesses must cosign and, when last
// asked, did not.
func (e *engine) unwitnessed() error {
	if _, _, missing := e.exposed.get(); missing != nil && e.o.Witnessed {
		return fmt.Errorf("%w: %w", ErrUnwitnessed, missing)
	}
	return nil
}

// witnessed waits until witnesses have cosigned a checkpoint that covers index.
// Errors: ErrUnwitnessed, the engine's, the context's.
func (e *engine) witnessed(ctx context.Context, index uint64) (head, error) {
	for {
		h, changed, missing := e.exposed.get()
		switch {
		case h.size > index:
			return h, nil
		case missing != nil:
			return head{}, fmt.Errorf("%w: %w", ErrUnwitnessed, missing)
		}
		select {
		case <-changed:
		case <-e.stopped:
			return head{}, cmp.Or(e.err(), ErrClosed)
		case <-ctx.Done():
			return head{}, fmt.Errorf("waiting for witnesses: %w", ctx.Err())
		}
	}
}
