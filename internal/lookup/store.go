// SPDX-License-Identifier: Apache-2.0

package lookup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
)

// A Store is an evidence store, as a judge.Store.
type Store struct {
	Client client.Evidence
	down   atomic.Pointer[fault.Problem] // seen not to answer: is not waited for again in this run
}

// Name returns the store's address.
func (s *Store) Name() string { return s.Client.URL }

// Bundles returns the store's bundles of an artifact.
func (s *Store) Bundles(ctx context.Context, digest []byte) ([]find.Source, error) {
	if p := s.down.Load(); p != nil {
		return nil, p
	}
	found, err := s.Client.Get(ctx, digest)
	if err != nil {
		return nil, s.unseen(err)
	}
	bundles := make([]find.Source, len(found))
	for i, raw := range found {
		bundles[i] = find.Elsewhere(fmt.Sprintf("%s sha256:%s %d", s.Client.URL, hex.EncodeToString(digest), i+1), raw)
		found[i] = nil // which may have a hundred megabytes
	}
	return bundles, nil
}

// unseen returns the problem for a store that could not be consulted.
func (s *Store) unseen(err error) error {
	if errors.Is(err, context.Canceled) {
		return fault.Interrupted("")
	}
	p := &fault.Problem{Exit: fault.ExitUndecided, Code: "could-not-look", Err: err, Remedy: "store-down"}
	if errors.Is(err, client.ErrNoStore) {
		p.Remedy = "no-store"
	}
	if errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrNoStore) {
		s.down.Store(p)
	}
	return p
}
