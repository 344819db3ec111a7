package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// ErrRefused says that the issuer, or whoever had to log in, said no.
var ErrRefused = errors.New("login was refused")

// ErrUnavailable says that the issuer could not be asked: try again later.
var ErrUnavailable = errors.New("OpenID issuer is unavailable")

// Options say where to log in.
type Options struct {
	Issuer   string       // URL of the OpenID issuer, as its tokens say it
	ClientID string       // "sigstore" for Sigstore's issuers; the audience of the token
	HTTP     *http.Client // nil: one with a timeout
}

// maxAnswer is the longest answer of an issuer that is read, in bytes.
const maxAnswer = 1 << 20

// limited is a transport whose answers end at maxAnswer.
type limited struct{ http.RoundTripper }

// RoundTrip cuts the body.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

func (o Options) http() *http.Client {
	if o.HTTP != nil {
		return o.HTTP
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: limited{http.DefaultTransport}}
}

// flow is one login under way.
type flow struct {
	provider *oidc.Provider
	config   oauth2.Config
	verifier string // PKCE code_verifier
	state    string
	nonce    string
}

// begin discovers the issuer. The context it gives carries the HTTP client.
func (o Options) begin(ctx context.Context) (context.Context, *flow, error) {
	ctx = oidc.ClientContext(ctx, o.http())
	provider, err := oidc.NewProvider(ctx, o.Issuer)
	if err != nil {
		return ctx, nil, fmt.Errorf("discovering %s: %w: %w", o.Issuer, ErrUnavailable, err)
	}
	return ctx, &flow{
		provider: provider,
		config: oauth2.Config{
			ClientID: o.ClientID, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "email"},
		},
		verifier: oauth2.GenerateVerifier(), state: rand.Text(), nonce: rand.Text(),
	}, nil
}

// authURL is where the login begins.
func (f *flow) authURL() string {
	return f.config.AuthCodeURL(f.state, oidc.Nonce(f.nonce), oauth2.S256ChallengeOption(f.verifier))
}

// redeem exchanges the code for a token, and verifies it.
func (f *flow) redeem(ctx context.Context, code, state string) (string, error) {
	if subtle.ConstantTimeCompare([]byte(state), []byte(f.state)) != 1 {
		return "", fmt.Errorf("%w: the answer is to another request than ours", ErrRefused)
	}
	answer, err := f.config.Exchange(ctx, code, oauth2.VerifierOption(f.verifier))
	if err != nil {
		return "", exchangeError(err)
	}
	return f.idToken(ctx, answer, f.nonce)
}

// idToken takes the ID token out of an answer and verifies it; nonce may be empty
// where the flow has none.
func (f *flow) idToken(ctx context.Context, answer *oauth2.Token, nonce string) (string, error) {
	raw, ok := answer.Extra("id_token").(string)
	if !ok {
		return "", errors.New("the issuer's answer has no ID token")
	}
	token, err := f.provider.Verifier(&oidc.Config{ClientID: f.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return "", fmt.Errorf("verifying ID token: %w", err)
	}
	if nonce != "" && subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 {
		return "", errors.New("verifying ID token: its nonce is another login's")
	}
	return raw, nil
}

// exchangeError tells a refusal of the token endpoint from its silence. What it
// wrote is not repeated: it may hold what was sent.
func exchangeError(err error) error {
	refused := new(oauth2.RetrieveError)
	if errors.As(err, &refused) {
		return fmt.Errorf("%w: the issuer answered %.80q", ErrRefused, refused.ErrorCode)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
