// SPDX-License-Identifier: Apache-2.0

package rekorlog

import (
	"context"
	"crypto"
	"fmt"
	"log/slog"
	"net/http"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/internal/tilelog/posix"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// Freeze ends a log permanently; see [tilelog.Freeze].
func Freeze(ctx context.Context, o Options) error {
	engine, err := o.engine()
	if err != nil {
		return fmt.Errorf("freezing transparency log: %w", err)
	}
	return tilelog.Freeze(ctx, engine)
}

// FrozenOptions holds the settings of a frozen log. All fields are required.
type FrozenOptions struct {
	Dir    string
	Origin string
	Key    crypto.PublicKey
	Next   string // base URL of the log that accepts entries now
	Logger *slog.Logger
}

// Frozen returns a read-only handler, under /api/v2/, for a log that [Freeze]
// has ended.
func Frozen(o FrozenOptions) (http.Handler, error) {
	verifier, err := checkpoint.NewVerifier(o.Origin, o.Key)
	if err != nil {
		return nil, fmt.Errorf("opening frozen log: %w", err)
	}
	log, err := tilelog.Frozen(tilelog.Options{
		Storage: posix.Storage(posix.Options{Dir: o.Dir}), Origin: o.Origin,
		Verifiers: []note.Verifier{verifier}, Format: tilelog.EntryBundles(), Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	mux := log.Handler("/api/v2")
	mux.HandleFunc("/api/v2/log/entries", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, o.Logger, &frozen{o.Next})
	})
	return mux, nil
}

// A frozen is the error for an entry of a client that still has the old signing config.
type frozen struct{ next string }

func (f *frozen) Error() string { return "log is frozen" }
