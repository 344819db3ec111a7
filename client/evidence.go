// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hallmark-sign/hallmark/wire/attestations"
)

// Limits of a response: with up to a hundred bundles, and of a receipt.
const (
	maxEvidencePage = attestations.MaxBundle + 64<<10
	maxReceipt      = 4 << 10
)

// ErrNoStore reports that there is no evidence store at an address, for example because the
// instance has none.
var ErrNoStore = errors.New("there is no evidence store at this address")

// Evidence is a store of bundles by the digest of their subjects. An instance may have one.
type Evidence struct {
	URL  string // base URL
	HTTP *http.Client
}

// Address returns the URL of the bundles of the artifact with this SHA-256.
func (e Evidence) Address(digest []byte) string {
	return e.URL + "/api/v1/bundles/" + attestations.FormatDigest(digest)
}

// Put uploads a bundle (JSON) of the artifact with this SHA-256. The bundle is
// durable once Put returns nil. Put may be repeated: the store keeps one copy. Errors:
// ErrUnavailable, ErrNoStore, *StatusError, the context's.
func (e Evidence) Put(ctx context.Context, digest, bundle []byte) error {
	if len(bundle) > attestations.MaxBundle {
		return fmt.Errorf("a bundle of %d bytes, where stores keep at most %d", len(bundle), attestations.MaxBundle)
	}
	body, err := attestations.MarshalRequest(bundle)
	if err == nil {
		_, err = exchange{
			method: http.MethodPost, url: e.Address(digest), contentType: "application/json",
			body: body, want: http.StatusCreated, limit: maxReceipt,
		}.do(ctx, e.HTTP)
		err = noStore(err)
	}
	if err != nil {
		return fmt.Errorf("asking %s to keep a bundle: %w", e.URL, err)
	}
	return nil
}

// Get returns all bundles (JSON) that the store has of the artifact with this SHA-256, up to
// the limits of package attestations. It verifies nothing. No bundle and no error means that
// the store itself reported that it has none. Errors: ErrUnavailable, ErrNoStore,
// *StatusError, attestations.ErrMalformed, the context's.
func (e Evidence) Get(ctx context.Context, digest []byte) ([][]byte, error) {
	var all [][]byte
	size := 0
	query, more := fmt.Sprintf("per_page=%d", attestations.MaxPage), true
	for more {
		var page [][]byte
		var err error
		page, query, more, err = e.page(ctx, e.Address(digest)+"?"+query)
		if refusal := new(StatusError); len(all) == 0 && errors.As(err, &refusal) && refusal.isNotFound() {
			return nil, nil
		}
		if err == nil && more && len(page) == 0 {
			err = errors.New("a page without bundles says that there are more")
		}
		for _, b := range page {
			size += len(b)
		}
		all = append(all, page...)
		if err == nil && (len(all) > attestations.MaxBundles || size > attestations.MaxBytes) {
			err = fmt.Errorf("more than %d bundles, or than %d bytes of them", attestations.MaxBundles, attestations.MaxBytes)
		}
		if err != nil {
			return nil, fmt.Errorf("asking %s for bundles: %w", e.URL, err)
		}
	}
	return all, nil
}

// isNotFound reports whether a store responded that it has no bundle. Other servers' 404
// responses have another message.
func (e *StatusError) isNotFound() bool {
	return e.Status == http.StatusNotFound && e.Message == attestations.NotFound
}

// noStore adds [ErrNoStore] to an error with a 404 that no store sent.
func noStore(err error) error {
	if e := new(StatusError); errors.As(err, &e) && e.Status == http.StatusNotFound && !e.isNotFound() {
		return fmt.Errorf("%w: %w", ErrNoStore, err)
	}
	return err
}

func (e Evidence) page(ctx context.Context, url string) (bundles [][]byte, query string, more bool, err error) {
	a, err := exchange{method: http.MethodGet, url: url, want: http.StatusOK, limit: maxEvidencePage}.ask(ctx, e.HTTP)
	if err != nil {
		return nil, "", false, noStore(err)
	}
	if bundles, err = attestations.ParsePage(a.body); err != nil {
		return nil, "", false, err
	}
	query, more, err = attestations.Next(a.header.Values("Link"))
	return bundles, query, more, err
}
