package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/verdict"
)

// evidenceFlags say which evidence store takes part. Without one, no verb opens a
// connection to any.
type evidenceFlags struct{ url string }

func (f *evidenceFlags) add(cmd *cobra.Command, env environment, use string) {
	cmd.Flags().StringVar(&f.url, "evidence", env.getenv("HALLMARK_EVIDENCE"), "`URL` of an instance that keeps bundles, "+use+" (environment: HALLMARK_EVIDENCE; --evidence '' is none)")
}

// store is the evidence store at the address given, and nil without one. Nothing
// is asked yet.
func (f evidenceFlags) store(env environment, timeout time.Duration) (*store, error) {
	if f.url == "" {
		return nil, nil
	}
	u, err := url.Parse(f.url)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, &problem{Exit: exitUsage, Subject: f.url, Code: "usage", Err: errors.New("not the address of an evidence store"), Try: "--evidence https://HOST"}
	}
	return &store{client: client.Evidence{URL: strings.TrimRight(f.url, "/"), HTTP: env.http(timeout)}}, nil
}

// store is an evidence store, as a verdict.Store.
type store struct {
	client client.Evidence
	down   atomic.Pointer[problem] // seen not to answer: is not waited for again in this run
}

// Name is the store's address.
func (s *store) Name() string { return s.client.URL }

// Bundles asks for what the store has of an artifact.
func (s *store) Bundles(ctx context.Context, digest []byte) ([]verdict.Hanging, *problem) {
	if p := s.down.Load(); p != nil {
		return nil, p
	}
	found, err := s.client.Get(ctx, digest)
	if err != nil {
		return nil, s.unseen(err)
	}
	bundles := make([]verdict.Hanging, len(found))
	for i, raw := range found {
		bundles[i] = verdict.Hanging{Name: fmt.Sprintf("%s sha256:%s %d", s.client.URL, hex.EncodeToString(digest), i+1), Raw: raw}
	}
	return bundles, nil
}

// unseen is an answer of the store that says nothing.
func (s *store) unseen(err error) *problem {
	if errors.Is(err, context.Canceled) {
		return verdict.Interrupted("")
	}
	p := &problem{Exit: exitUndecided, Code: "could-not-look", Err: err, Try: "again, later; or --evidence URL of a store that is there"}
	if errors.Is(err, client.ErrUnavailable) {
		s.down.Store(p)
	}
	return p
}
