// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"context"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
)

// A Store holds bundles by the digest of their artifact. It is safe
// for concurrent use.
type Store interface {
	// Name returns the store's name, for people.
	Name() string

	// Bundles returns what the store has of the artifact with this SHA-256. No bundles
	// and no error: it was asked, and has none.
	Bundles(ctx context.Context, digest []byte) ([]find.Source, error)
}

// asking is the number of artifacts that are verified at once if each may wait for a store.
const asking = 16

// stored asks the store for the bundles of an artifact that has none where it is.
// The artifact is then read once, for its digest, which stands for it.
func (j *Judge) stored(ctx context.Context, item find.Item, subject find.Subject) (find.Evidence, error) {
	var none find.Evidence
	if j.Store == nil {
		return none, item.Unsigned("")
	}
	digest, err := find.Sum(ctx, subject, j.Stdin)
	if err != nil {
		return none, err
	}
	held, err := j.Store.Bundles(ctx, digest.Sum)
	if err != nil {
		return none, fault.About(item.Name(), err)
	}
	if len(held) == 0 {
		return none, item.Unsigned(j.Store.Name())
	}
	return find.Evidence{Subject: digest, Sources: held}, nil
}
