// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net/http"

	"github.com/hallmark-sign/hallmark/client/idtoken"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
)

// A Fulcio is a certificate authority, used with one token. It is a sign.Certifier.
type Fulcio struct {
	URL   string // base URL
	Token string // ID token: secret until it expires
	HTTP  *http.Client
}

// Explain returns what a certificate for the token would contain, and issues none. Other
// authorities than hallmark's answer with a *[StatusError] of 404.
func (f Fulcio) Explain(ctx context.Context) (fulcio.Explanation, error) {
	answer, err := exchange{
		method: http.MethodPost, url: f.URL + "/api/hallmark/v1/explain", bearer: f.Token, want: http.StatusOK, limit: fulcio.MaxResponse,
	}.do(ctx, f.HTTP)
	if err != nil {
		return fulcio.Explanation{}, fmt.Errorf("asking %s what a certificate would contain: %w", f.URL, err)
	}
	return fulcio.ParseExplanation(answer)
}

// Certify proves possession of key and returns its new certificate, leaf first. The proof signs
// the email of the token, or its subject if it has none.
// Errors: ErrUnavailable, *StatusError, fulcio.ErrResponse.
func (f Fulcio) Certify(ctx context.Context, key crypto.Signer) ([]*x509.Certificate, error) {
	claims, err := idtoken.Parse(f.Token)
	if err != nil {
		return nil, fmt.Errorf("proving possession of the key: %w", err)
	}
	challenge, err := claims.Challenge()
	if err != nil {
		return nil, fmt.Errorf("proving possession of the key: %w", err)
	}
	proof, err := fulcio.SignProof(rand.Reader, key, challenge)
	if err != nil {
		return nil, fmt.Errorf("proving possession of the key: %w", err)
	}
	body, err := fulcio.Request{PublicKey: key.Public(), ProofOfPossession: proof}.Marshal()
	if err != nil {
		return nil, fmt.Errorf("asking for a certificate: %w", err)
	}
	answer, err := exchange{
		method: http.MethodPost, url: f.URL + "/api/v2/signingCert", contentType: "application/json",
		bearer: f.Token, body: body, want: http.StatusOK, limit: fulcio.MaxResponse,
	}.do(ctx, f.HTTP)
	if err != nil {
		return nil, fmt.Errorf("asking %s for a certificate: %w", f.URL, err)
	}
	return fulcio.ParseResponse(answer)
}
