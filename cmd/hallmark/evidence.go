package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/verify"
)

// evidenceFlags say which evidence store takes part. Without one, no verb opens a
// connection to any.
type evidenceFlags struct{ url string }

func (f *evidenceFlags) add(cmd *cobra.Command, env environment, use string) {
	cmd.Flags().StringVar(&f.url, "evidence", env.getenv("HALLMARK_EVIDENCE"), "`URL` of an instance that keeps bundles, "+use+" (environment: HALLMARK_EVIDENCE; --evidence '' is none)")
}

// store is the evidence store at the address given, and nil without one. Nothing
// is asked yet.
func (f evidenceFlags) store(env environment, t trustFlags, timeout time.Duration) (*lookup.Store, error) {
	if f.url == "" {
		return nil, nil
	}
	u, err := url.Parse(f.url)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, &problem{Exit: exitUsage, Subject: f.url, Code: "usage", Err: errors.New("not the address of an evidence store"), Try: "--evidence https://HOST"}
	}
	h, err := t.http(env, timeout)
	if err != nil {
		return nil, err
	}
	return &lookup.Store{Client: client.Evidence{URL: strings.TrimRight(f.url, "/"), HTTP: h}}, nil
}

// maxKept is how many subjects of one statement a bundle is kept for: the store has
// it once for each.
const maxKept = 100

// checkSigning refuses what the store would not keep, or what would fill it, of
// statements about so many subjects, before anything is signed.
func (f evidenceFlags) checkSigning(key string, subjects int) error {
	p := &problem{Exit: exitUsage, Subject: f.url, Code: "usage", Try: "--evidence '', which leaves the bundle where it is alone"}
	switch {
	case f.url == "":
		return nil
	case key != "":
		p.Err = errors.New("an evidence store keeps no bundles that are signed with a key")
	case subjects > maxKept:
		p.Err = fmt.Errorf("%d subjects, where an evidence store is given the bundle for each of at most %d", subjects, maxKept)
	default:
		return nil
	}
	return p
}

// keep leaves a bundle, which is at out already, in the evidence store too, for
// each artifact that it is about.
func (s *session) keep(ctx context.Context, out string, raw []byte, results ...*verify.Result) error {
	if s.store == nil {
		return nil
	}
	for _, r := range results {
		if err := s.store.Client.Put(ctx, r.Digest, raw); err != nil {
			return s.unkept(out, r, err)
		}
	}
	if !s.quiet && !s.env.json {
		s.env.say("  kept by   %s", s.store.Name())
	}
	return nil
}

// unkept is a bundle that is where it was left, and not in the store.
func (s *session) unkept(out string, r *verify.Result, err error) error {
	p := &problem{
		Exit: exitUndecided, Subject: s.store.Name(), Code: "not-stored", Try: "signing again, later",
		Err: fmt.Errorf("the signature is logged and its bundle is in place, and the evidence store did not take it: %w", err),
	}
	if errors.Is(err, context.Canceled) {
		p.Code = "interrupted"
	}
	switch {
	case errors.Is(err, client.ErrNoStore):
		p.Try = lookup.NoStoreHint
	case out != "":
		p.Try = fmt.Sprintf(`(printf '{"bundle":'; tail -n 1 %s; printf '}') | curl --json @- %s`, verdict.Quoted(out), verdict.Quoted(s.store.Client.Address(r.Digest)))
	}
	return p
}
