// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// maxEntry bounds the response of a log: a leaf of 64 KiB in base64, with its proof.
const maxEntry = 1 << 20

// A Rekor is a transparency log of API v2. It is a sign.Log.
type Rekor struct {
	URL  string // base URL
	HTTP *http.Client
}

// Add logs h and returns the entry with its proof, both unverified. Errors: ErrUnavailable,
// *StatusError, those of rekor.ParseEntry.
func (r Rekor) Add(ctx context.Context, h rekor.HashedRekord) (rekor.Entry, error) {
	body, err := rekor.MarshalRequest(h)
	if err != nil {
		return rekor.Entry{}, fmt.Errorf("asking for a log entry: %w", err)
	}
	answer, err := exchange{
		method: http.MethodPost, url: r.URL + "/api/v2/log/entries", contentType: "application/json",
		body: body, want: http.StatusCreated, limit: maxEntry,
	}.do(ctx, r.HTTP)
	if err != nil {
		return rekor.Entry{}, fmt.Errorf("asking %s for a log entry: %w", r.URL, err)
	}
	return rekor.ParseEntry(answer)
}
