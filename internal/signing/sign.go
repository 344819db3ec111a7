// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"context"
	"crypto"
	"os"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/verify"
)

// Sign signs files and images. The first failure ends it.
func (r *Request) Sign(ctx context.Context, env cli.Environment, args []string) error {
	if err := r.prepare(env); err != nil {
		return err
	}
	subjects, err := r.subjects(ctx, args)
	if err != nil {
		return err
	}
	if err := r.checkStore(1); err != nil {
		return err
	}
	if err := r.checkFiles(subjects); err != nil {
		return err
	}
	s, err := r.session(ctx)
	if err != nil {
		return err
	}
	return s.signAll(ctx, subjects)
}

func (s *session) signOne(ctx context.Context, one subject) error {
	if one.image == nil {
		out := s.target(one.name)
		if s.Resume {
			done, err := s.isSigned(ctx, one, out)
			if err != nil {
				return err
			}
			if done {
				s.remark("%s: signed before", one.name)
				s.counts.skipped.Add(1)
				return nil
			}
		}
		return s.signFile(ctx, one, out)
	}
	what, err := signed(imageSubject(*one.image))
	if err != nil {
		return err
	}
	return s.attest(ctx, []subject{one}, what)
}

// signFile signs one file, verifies the bundle against the file, and writes it.
func (s *session) signFile(ctx context.Context, one subject, out string) error {
	artifact, err := one.open()
	if err != nil {
		return fault.Unreadable(one.name, err)
	}
	defer artifact.Close()
	signer, policy, err := s.signer(ctx)
	if err != nil {
		return err
	}
	b, err := signer.Message(ctx, find.UntilDone{Ctx: ctx, Reader: artifact})
	if err != nil {
		return err
	}
	again := verify.FromDigest(b.Message.Hash, b.Message.Digest) // of what can't be read again
	if file, ok := artifact.(*os.File); ok {
		if _, err := file.Seek(0, 0); err != nil {
			return err
		}
		again = verify.FromReader(find.UntilDone{Ctx: ctx, Reader: file})
	}
	return s.finish(ctx, b, again, policy, one.name, out)
}

// signer returns a signer with the key of the run, and the policy that the bundle must
// meet.
func (s *session) signer(ctx context.Context) (sign.Signer, verify.Requirements, error) {
	if s.key != nil {
		return s.services.Signer(s.key), verify.Requirements{Keys: []crypto.PublicKey{s.key.Public()}, WitnessPolicies: s.witness}, nil
	}
	key, chain, err := s.credential.get(ctx)
	if err != nil {
		return sign.Signer{}, verify.Requirements{}, err
	}
	signer := s.services.Signer(key)
	signer.Certifier = chain
	return signer, verify.Requirements{AnyIdentityUnsafe: true, WitnessPolicies: s.witness}, nil
}

// finish verifies our own bundle, as any verifier would, and writes it at once.
func (s *session) finish(ctx context.Context, b *bundle.Bundle, artifact verify.Artifact, policy verify.Requirements, file, out string) error {
	raw, result, err := s.check(b, artifact, policy)
	if err != nil {
		return err
	}
	out, err = s.write(out, raw)
	if err != nil {
		return err
	}
	if err := s.tell(file, out, result); err != nil {
		return err
	}
	return s.keep(ctx, out, raw, result)
}
