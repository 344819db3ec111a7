// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hallmark-sign/hallmark/trust"
)

// Trust fetches the trust files that the instance at url publishes. Only the connection
// authenticates them: compare the fingerprint before pinning. Errors: ErrUnavailable,
// *StatusError, trust.ErrMalformed.
func Trust(ctx context.Context, h *http.Client, url string) (*trust.Material, error) {
	raw := map[string][]byte{}
	for _, f := range trust.Files() {
		data, err := Get(ctx, h, url+"/trust/"+f.Name, f.MaxSize)
		if refusal := new(StatusError); f.Optional && errors.As(err, &refusal) && refusal.Status == http.StatusNotFound {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("fetching %s: %w", f.Name, err)
		}
		raw[f.Name] = data
	}
	return trust.ParseMaterial(raw)
}
