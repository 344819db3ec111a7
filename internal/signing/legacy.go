// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"bytes"
	"context"
	"fmt"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/intoto"
	"github.com/hallmark-sign/hallmark/wire/simplesigning"
)

// checkLegacy sees that what cosign 2 reads can be left on images.
func (r *Request) checkLegacy(ctx context.Context, images []subject) error {
	if r.Compat == "" {
		return nil
	}
	for _, one := range images {
		if err := r.registry.Client.CheckLegacy(ctx, *one.image); err != nil {
			return lookup.RegistryError(one.name, err)
		}
	}
	return nil
}

// leaveLegacy leaves what cosign 1 and 2 read, beside a bundle that hangs on the
// image: the attestation in it, or for a signature one of the older form, which is
// over other bytes and has a certificate and a log entry of its own.
func (s *session) leaveLegacy(ctx context.Context, one subject, raw []byte, kind string) error {
	if s.Compat == "" || one.image == nil {
		return nil
	}
	legacy, err := s.legacy(ctx, *one.image, raw, kind)
	if err != nil {
		return err
	}
	if err := s.registry.Client.AttachLegacy(ctx, *one.image, legacy); err != nil {
		return lookup.RegistryError(one.name, fmt.Errorf("the bundle is on the image, and what cosign 2 reads is not: %w", err))
	}
	verify := "verify --insecure-ignore-tlog --use-signed-timestamps --trusted-root FILE"
	if kind != intoto.TypeSigned {
		verify = "verify-attestation --type TYPE --insecure-ignore-tlog --insecure-ignore-sct --use-signed-timestamps --certificate-chain FILE --timestamp-certificate-chain FILE"
	}
	s.remark("%s: for cosign 2, without its log entry: cosign %s …", one.name, verify)
	return nil
}

func (s *session) legacy(ctx context.Context, image oci.Image, raw []byte, kind string) (oci.Legacy, error) {
	if kind != intoto.TypeSigned {
		b, err := bundle.Parse(raw)
		if err != nil {
			return oci.Legacy{}, err
		}
		d, err := b.Detach()
		return oci.Legacy{Detached: d, PredicateType: kind, Signature: b.Signature()}, err
	}
	payload, err := simplesigning.Payload{Reference: image.Repository, Digest: image.Sum()}.Marshal()
	if err != nil {
		return oci.Legacy{}, err
	}
	signer, policy, err := s.signer(ctx)
	if err != nil {
		return oci.Legacy{}, err
	}
	b, err := signer.Message(ctx, find.UntilDone{Ctx: ctx, Reader: bytes.NewReader(payload)})
	if err != nil {
		return oci.Legacy{}, err
	}
	if _, _, err := s.check(b, verify.FromReader(bytes.NewReader(payload)), policy); err != nil {
		return oci.Legacy{}, err
	}
	d, err := b.Detach()
	return oci.Legacy{Detached: d, Payload: payload}, err
}
