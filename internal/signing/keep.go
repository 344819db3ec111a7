// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/verify"
)

// maxKept is how many subjects of one statement a bundle is kept for: the store has
// it once for each.
const maxKept = 100

// checkStore refuses what the store would not keep, or what would fill it, of
// statements about so many subjects, before anything is signed.
func (r *Request) checkStore(subjects int) error {
	p := &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Remedy: "keep-nothing"}
	switch {
	case r.store == nil:
		return nil
	case r.Key != "":
		p.Err = errors.New("an evidence store keeps no bundles that are signed with a key")
	case subjects > maxKept:
		p.Err = fmt.Errorf("%d subjects, where an evidence store is given the bundle for each of at most %d", subjects, maxKept)
	default:
		return nil
	}
	p.Subject = r.store.Name()
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
	s.remark("  kept by   %s", s.store.Name())
	return nil
}

// unkept returns the problem for a bundle that was written but not uploaded to the
// evidence store.
func (s *session) unkept(out string, r *verify.Result, err error) error {
	p := &fault.Problem{
		Exit: fault.ExitUndecided, Subject: s.store.Name(), Code: "not-stored",
		Err: fmt.Errorf("the signature is logged and its bundle is in place, and the evidence store did not take it: %w", err),
	}
	if errors.Is(err, context.Canceled) {
		p.Code = "interrupted"
	}
	switch {
	case errors.Is(err, client.ErrNoStore):
		return p.With("no-store")
	case out != "":
		return p.With("upload", out, s.store.Client.Address(r.Digest))
	}
	return p
}

// keepAside writes a bundle into a file that could not be put on its image, as it is in
// the log already, and says how to go on.
func keepAside(one subject, raw []byte, cause error) error {
	out := "sha256-" + hex.EncodeToString(one.image.Sum()) + find.LinesSuffix
	p := fault.Of(lookup.RegistryError(one.name, cause)).With("load", out, one.image.String())
	if err := durable.AddLine(out, raw, 0o644); err != nil {
		p.Err = fmt.Errorf("the signature is logged, is not on the image, and its bundle is lost: %w; %w", cause, err)
		return p.With("")
	}
	p.Err = fmt.Errorf("the signature is logged, is not on the image, and is kept in %s: %w", out, cause)
	if u := new(oci.RegistryError); errors.As(cause, &u) && u.Reason == oci.Refused { // which it would do again
		return p.With("verify-digest", one.image.Digest, out)
	}
	return p
}
