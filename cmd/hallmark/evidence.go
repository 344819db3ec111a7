// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/lookup"
)

// evidenceFlags say which evidence store takes part. Without one, no verb opens a
// connection to any.
type evidenceFlags struct{ url string }

func (f *evidenceFlags) add(cmd *cobra.Command, env cli.Environment, use string) {
	cmd.Flags().StringVar(&f.url, "evidence", env.Getenv("HALLMARK_EVIDENCE"), "`URL` of an instance that keeps bundles, "+use+" (environment: HALLMARK_EVIDENCE; --evidence '' is none)")
}

// store returns the evidence store at the given address, or nil without one. It
// sends no request.
func (f evidenceFlags) store(env cli.Environment, t trustFlags, timeout time.Duration) (*lookup.Store, error) {
	if f.url == "" {
		return nil, nil
	}
	u, err := url.Parse(f.url)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: f.url, Code: "usage", Err: errors.New("not the address of an evidence store"), Try: "--evidence https://HOST"}
	}
	h, err := t.HTTP(env, timeout)
	if err != nil {
		return nil, err
	}
	return &lookup.Store{Client: client.Evidence{URL: strings.TrimRight(f.url, "/"), HTTP: h}}, nil
}
