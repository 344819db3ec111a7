package oci

import (
	"bytes"
	"context"
	"crypto/x509"
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

// Options say how registries are reached. The zero value is the strictest.
type Options struct {
	// Roots are the certificate authorities of registries; nil: the system's.
	Roots *x509.CertPool

	// Timeout is for everything that one call asks a registry; 0: a minute.
	Timeout time.Duration

	// PlainHTTPUnsafe allows HTTP without TLS to other machines, where a registry does
	// not answer by TLS. Anyone on the network can then read credentials, and replace
	// images and hide signatures.
	PlainHTTPUnsafe bool

	// Anonymous sends no credentials, even where docker or podman has them.
	Anonymous bool
}

// Client reaches registries. It is safe for concurrent use, and greets each
// repository once.
type Client struct {
	options   Options
	transport http.RoundTripper
	mutex     sync.Mutex // guards sessions
	sessions  map[string]*session
}

// New makes a client.
func New(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	return &Client{options: o, transport: newTransport(o.Roots, o.PlainHTTPUnsafe), sessions: map[string]*session{}}
}

// session is a repository that has been greeted: how it wants to be talked to is
// known, and a token is there if it wants one.
type session struct {
	greeting sync.Mutex // held while the registry is asked; guards http
	http     *http.Client
	repo     name.Repository
}

// session gives the repository's, with the scopes in other repositories that are
// needed as well. A greeting that failed is tried again by whoever comes next.
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

// withScheme has plain HTTP tried beside TLS where that is allowed: by itself, the
// library goes by the looks of a name.
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
	if c.options.Anonymous {
		return authn.Anonymous, nil
	}
	return authn.Resolve(ctx, authn.DefaultKeychain, repo)
}

// url is an address of the repository's API.
func (s *session) url(kind, what string) string {
	u := url.URL{Scheme: s.repo.Scheme(), Host: s.repo.RegistryStr(), Path: fmt.Sprintf("/v2/%s/%s/%s", s.repo.RepositoryStr(), kind, what)}
	return u.String()
}

// answer is what a registry said.
type response struct {
	status int
	header http.Header
	body   []byte
}

// request is one request.
type request struct {
	method, url string
	header      map[string]string
	body        io.Reader
	length      int64 // of a body that is streamed
	limit       int64 // of the answer's body
	statuses    []int // statuses that are an answer; others are errors
}

// ask asks, and reads the answer to its end. Errors: *RegistryError, the context's.
func (s *session) do(ctx context.Context, q request) (response, error) {
	resp, err := s.open(ctx, q)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	return read(resp, q.limit)
}

// open asks, and leaves the answer to be read.
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
		body.Grow(int(n) + bytes.MinRead) // not twice as much, where it is large
	}
	if _, err := body.ReadFrom(io.LimitReader(resp.Body, limit+1)); err != nil {
		return a, registryError(fmt.Errorf("reading answer: %w", err))
	}
	if int64(body.Len()) > limit {
		return a, tooLong(resp, limit)
	}
	a.body = body.Bytes()
	return a, nil
}

func tooLong(resp *http.Response, limit int64) error {
	return garbled("%s answers with more than %d bytes", resp.Request.URL.Redacted(), limit)
}
