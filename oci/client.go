// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Options holds the settings for access to registries. The zero value is the strictest.
type Options struct {
	// Transport has the dialer, proxy and certificate authorities for all requests. The
	// client copies it. Nil means [http.DefaultTransport].
	Transport *http.Transport

	// Keychain has the credentials for registries, such as [Anonymous]. Nil means those
	// that docker or podman stores.
	Keychain authn.Keychain

	// Timeout bounds all requests of one call. Zero means a minute.
	Timeout time.Duration

	// PlainHTTPUnsafe allows HTTP without TLS to other machines, if a registry
	// does not support TLS. Anyone on the network can then read credentials,
	// replace images and hide signatures.
	PlainHTTPUnsafe bool
}

// Anonymous returns a keychain without credentials.
func Anonymous() authn.Keychain { return authn.NewMultiKeychain() }

// A Client accesses registries. It is safe for concurrent use, and performs one
// handshake per repository.
type Client struct {
	options   Options
	transport http.RoundTripper
	mutex     sync.Mutex // guards sessions
	sessions  map[string]*session
}

// New returns a client.
func New(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Keychain == nil {
		o.Keychain = authn.DefaultKeychain
	}
	return &Client{options: o, transport: newTransport(o.Transport, o.PlainHTTPUnsafe), sessions: map[string]*session{}}
}

// A session is a repository after the handshake, which determined the protocol
// and fetched a token if the registry requires one.
type session struct {
	greeting sync.Mutex // held while the registry is asked; guards http
	http     *http.Client
	repo     name.Repository
}

// session returns the session of the repository, with access to further scopes
// in other repositories. A failed handshake is repeated by the next caller.
func (c *Client) session(ctx context.Context, repo name.Repository, scope string, more ...string) (*session, error) {
	repo, err := c.withScheme(repo)
	if err != nil {
		return nil, err
	}
	c.mutex.Lock()
	scopes := append([]string{repo.Scope(scope)}, more...)
	key := repo.RegistryStr() + " " + strings.Join(scopes, " ")
	s, ok := c.sessions[key]
	if !ok {
		s = &session{repo: repo}
		c.sessions[key] = s
	}
	c.mutex.Unlock()
	s.greeting.Lock()
	defer s.greeting.Unlock()
	if s.http != nil {
		return s, nil
	}
	auth, err := c.credentials(ctx, repo)
	if err != nil {
		return nil, &RegistryError{Reason: Credentials, Err: err}
	}
	authorized, err := transport.NewWithContext(ctx, repo.Registry, auth, c.transport, scopes)
	if err != nil {
		return nil, registryError(fmt.Errorf("greeting %s: %w", repo.RegistryStr(), err))
	}
	s.http = &http.Client{Transport: authorized, CheckRedirect: checkRedirect}
	return s, nil
}

// withScheme makes the library try plain HTTP as well as TLS where plain HTTP
// is allowed. By default, the library decides by the form of the name.
func (c *Client) withScheme(repo name.Repository) (name.Repository, error) {
	if !c.options.PlainHTTPUnsafe && !isLoopback(hostOf(repo)) {
		return repo, nil
	}
	insecure, err := name.NewRegistry(repo.RegistryStr(), name.Insecure)
	if err != nil {
		return repo, garbled("%w", err)
	}
	repo.Registry = insecure
	return repo, nil
}

func (c *Client) credentials(ctx context.Context, repo name.Repository) (authn.Authenticator, error) {
	return authn.Resolve(ctx, c.options.Keychain, repo)
}

// url returns an address of the repository's API.
func (s *session) url(kind, what string) string {
	u := url.URL{Scheme: s.repo.Scheme(), Host: s.repo.RegistryStr(), Path: fmt.Sprintf("/v2/%s/%s/%s", s.repo.RepositoryStr(), kind, what)}
	return u.String()
}

// A response is what a registry returned.
type response struct {
	status int
	header http.Header
	body   []byte
}

// A request is one request to a registry.
type request struct {
	method, url string
	header      map[string]string
	body        io.Reader
	length      int64 // of a streamed body
	limit       int64 // of the response body, in bytes
	statuses    []int // expected statuses; others are errors
}

// do sends a request and reads the whole response. Errors are of type
// *[RegistryError] or those of the context.
func (s *session) do(ctx context.Context, q request) (response, error) {
	resp, err := s.open(ctx, q)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	return read(resp, q.limit)
}

// open sends a request and leaves the body to be read.
func (s *session) open(ctx context.Context, q request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, q.method, q.url, q.body)
	if err != nil {
		return nil, garbled("%w", err)
	}
	if q.length > 0 {
		req.ContentLength = q.length
	}
	for key, value := range q.header {
		req.Header.Set(key, value)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, registryError(err)
	}
	if !slices.Contains(q.statuses, resp.StatusCode) {
		defer resp.Body.Close()
		return nil, refused(resp)
	}
	return resp, nil
}

func read(resp *http.Response, limit int64) (response, error) {
	a := response{status: resp.StatusCode, header: resp.Header}
	if resp.ContentLength > limit && resp.Request.Method != http.MethodHead {
		return a, tooLong(resp, limit)
	}
	var body bytes.Buffer
	if n := resp.ContentLength; n > 0 && n <= limit {
		body.Grow(int(n) + bytes.MinRead) // avoids doubling a large buffer
	}
	if _, err := body.ReadFrom(io.LimitReader(resp.Body, limit+1)); err != nil {
		return a, registryError(fmt.Errorf("reading response: %w", err))
	}
	if int64(body.Len()) > limit {
		return a, tooLong(resp, limit)
	}
	a.body = body.Bytes()
	return a, nil
}

func tooLong(resp *http.Response, limit int64) error {
	return garbled("%s responds with more than %d bytes", resp.Request.URL.Redacted(), limit)
}
