// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"
	"net/http"

	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// maxTimestamp bounds the response of a timestamp authority.
const maxTimestamp = 1 << 20

// A TSA is a timestamp authority. It is a sign.Timestamper.
type TSA struct {
	URL  string // of the endpoint itself
	HTTP *http.Client
}

// Timestamp stamps the SHA-256 of signature and returns the response, after checking that its
// imprint and nonce are the request's. Errors: ErrUnavailable, *StatusError,
// *timestamp.StatusError, those of timestamp.ParseResponse.
func (t TSA) Timestamp(ctx context.Context, signature []byte) ([]byte, error) {
	imprint := sha256.Sum256(signature)
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return nil, fmt.Errorf("asking for a timestamp: %w", err)
	}
	request, err := timestamp.Request{Hash: crypto.SHA256, Imprint: imprint[:], Nonce: nonce}.Marshal()
	if err != nil {
		return nil, fmt.Errorf("asking for a timestamp: %w", err)
	}
	answer, err := exchange{
		method: http.MethodPost, url: t.URL, contentType: "application/timestamp-query",
		body: request, want: http.StatusCreated, or: http.StatusOK, limit: maxTimestamp,
	}.do(ctx, t.HTTP)
	if err != nil {
		return nil, fmt.Errorf("asking %s for a timestamp: %w", t.URL, err)
	}
	token, err := timestamp.ParseResponse(answer)
	if err != nil {
		return nil, fmt.Errorf("asking %s for a timestamp: %w", t.URL, err)
	}
	if token.Nonce == nil || token.Nonce.Cmp(nonce) != 0 {
		return nil, fmt.Errorf("asking %s for a timestamp: the answer has another nonce than the request", t.URL)
	}
	return answer, token.CheckImprint(signature)
}
