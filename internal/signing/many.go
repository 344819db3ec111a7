// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/verify"
)

// atOnce is the number of files that are signed at once. Most of the time of a signature is
// spent waiting for the services and the disk.
const atOnce = 8

// An outcome is the result for one subject, with its output.
type outcome struct {
	stdout, stderr bytes.Buffer
	err            error
}

// signAll signs all subjects and prints their results in order. After a
// failure no further subject is begun, and those that were begun are finished.
func (s *session) signAll(ctx context.Context, subjects []subject) error {
	started := time.Now()
	workers := atOnce
	if slices.ContainsFunc(subjects, func(one subject) bool { return one.image != nil || one.once != nil }) {
		workers = 1 // a registry's list of what is attached is not written twice at once
	}
	outcomes := make([]chan *outcome, len(subjects))
	for i := range outcomes {
		outcomes[i] = make(chan *outcome, 1)
	}
	var next atomic.Int64
	var stopped atomic.Bool
	var working sync.WaitGroup
	for range min(workers, len(subjects)) {
		working.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(subjects); i = int(next.Add(1)) - 1 {
				if stopped.Load() {
					outcomes[i] <- &outcome{}
					continue
				}
				outcomes[i] <- s.apart(ctx, subjects[i])
			}
		})
	}
	var failed error
	for i, ready := range outcomes {
		o := <-ready
		s.env.Stdout.Write(o.stdout.Bytes())
		s.env.Stderr.Write(o.stderr.Bytes())
		if o.err != nil && failed == nil {
			failed = &fault.SubjectError{Subject: subjects[i].name, Err: o.err}
			stopped.Store(true)
		}
	}
	s.summarize(len(subjects), time.Since(started), failed)
	return failed
}

// apart signs one subject, and keeps what is printed.
func (s *session) apart(ctx context.Context, one subject) *outcome {
	o := &outcome{}
	if o.err = ctx.Err(); o.err != nil {
		return o
	}
	request := *s.Request
	request.env.Stdout, request.env.Stderr = &o.stdout, &o.stderr
	mine := *s
	mine.Request = &request
	o.err = mine.signOne(ctx, one)
	if o.err == nil {
		s.counts.signed.Add(1)
	}
	return o
}

// summarize prints what a run over several subjects has done.
func (s *session) summarize(subjects int, took time.Duration, failed error) {
	if subjects < 2 {
		return
	}
	skipped := int(s.counts.skipped.Load())
	parts := []string{fmt.Sprintf("signed %d of %s in %s", int(s.counts.signed.Load())-skipped, cli.Counted(subjects, "subject", "subjects"), took.Round(10*time.Millisecond))}
	if s.key == nil {
		parts = append(parts, "with "+cli.Counted(s.credential.made, "certificate", "certificates"))
	}
	if skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d signed before", skipped))
	}
	if failed != nil {
		parts = append(parts, "--resume goes on with the rest")
	}
	s.remark("%s", strings.Join(parts, "; "))
}

// isSigned reports whether a file has a bundle by the same signer that verifies.
func (s *session) isSigned(ctx context.Context, one subject, out string) (bool, error) {
	bundles, err := find.ReadBundles(out)
	if err != nil || one.once != nil {
		return false, nil // there is none, or it is replaced or refused as without --resume
	}
	signer, accept, err := s.signer(ctx)
	if err != nil {
		return false, err
	}
	var me identity.Identity
	if chain, ok := signer.Certifier.(certified); ok {
		if me, err = identity.FromCertificate(chain[0]); err != nil {
			return false, err
		}
	}
	for _, b := range bundles {
		f, err := os.Open(one.name)
		if err != nil {
			return false, fault.Unreadable(one.name, err)
		}
		result, err := s.verifier.Verify(b, verify.FromReader(find.UntilDone{Ctx: ctx, Reader: f}), accept)
		f.Close()
		if errors.Is(err, context.Canceled) {
			return false, err
		}
		if err == nil && (s.key != nil || result.Identity.Issuer == me.Issuer && result.Identity.Subject == me.Subject) {
			return true, nil
		}
	}
	return false, nil
}
