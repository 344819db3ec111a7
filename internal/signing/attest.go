// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"time"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// Attest signs one statement about all subjects, and stores it with each. The predicate is
// read from a file, kind is its type.
func (r *Request) Attest(ctx context.Context, env cli.Environment, args []string, file, kind string) error {
	if err := r.prepare(env); err != nil {
		return err
	}
	predicate, err := readPredicate(file)
	if err != nil {
		return err
	}
	subjects, err := r.subjects(ctx, args)
	if err != nil {
		return err
	}
	if err := r.checkStore(len(subjects)); err != nil {
		return err
	}
	if err := r.checkFiles(subjects, file); err != nil {
		return err
	}
	named := make([]intoto.Subject, len(subjects))
	for i, one := range subjects {
		if named[i], err = one.named(ctx); err != nil {
			return err
		}
	}
	s, err := r.session(ctx)
	if err != nil {
		return err
	}
	what, err := newStatement(kind, predicate, named)
	if err != nil {
		return err
	}
	return s.attest(ctx, subjects, what)
}

// named returns the subject as a statement names it.
func (s subject) named(ctx context.Context) (intoto.Subject, error) {
	if s.image != nil {
		return imageSubject(*s.image), nil
	}
	f, err := s.open()
	if err != nil {
		return intoto.Subject{}, fault.Unreadable(s.name, err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, find.UntilDone{Ctx: ctx, Reader: f}); err != nil {
		return intoto.Subject{}, &fault.SubjectError{Subject: s.name, Err: err}
	}
	return intoto.Subject{Name: filepath.Base(s.name), Digest: map[string]string{"sha256": hex.EncodeToString(h.Sum(nil))}}, nil
}

// attest signs the statement once, and then stores it with each subject.
func (s *session) attest(ctx context.Context, subjects []subject, what statement) error {
	raw, results, err := s.seal(ctx, what)
	if err != nil {
		return err
	}
	var failed fault.Failures
	for i, one := range subjects {
		if i > 0 && s.Bundle != "" {
			continue // one bundle for all of them, in the file that was named
		}
		if err := s.leave(ctx, one, raw, what.kind, results[i]); err != nil {
			failed = append(failed, &fault.SubjectError{Subject: one.name, Err: err}) // the others have it nevertheless
		}
	}
	if err := s.keep(ctx, s.left(subjects[0]), raw, results...); err != nil {
		failed = append(failed, err)
	}
	return failed.OrNil()
}

// left returns the file with the bundle of a subject, or "" for an image.
func (s *session) left(one subject) string {
	if one.image != nil {
		return ""
	}
	return s.target(one.name)
}

// seal signs a statement, verifies the bundle, and returns the result for each subject.
func (s *session) seal(ctx context.Context, what statement) ([]byte, []*verify.Result, error) {
	signer, policy, err := s.signer(ctx)
	if err != nil {
		return nil, nil, err
	}
	b, err := signer.Envelope(ctx, dsse.PayloadTypeInToto, what.payload)
	if err != nil {
		return nil, nil, err
	}
	first, err := find.SubjectOf(intoto.Statement{Subject: what.subjects})
	if err != nil {
		return nil, nil, err
	}
	raw, result, err := s.check(b, first, policy)
	if err != nil {
		return nil, nil, err
	}
	results := make([]*verify.Result, len(what.subjects))
	for i, one := range what.subjects {
		digest, err := hex.DecodeString(one.Digest["sha256"])
		if err != nil || result.Statement.Subject[i].Digest["sha256"] != one.Digest["sha256"] {
			return nil, nil, errors.New("verifying the new bundle, which was not written: it names something else")
		}
		about := *result
		about.Hash, about.Digest = crypto.SHA256, digest
		results[i] = &about
	}
	return raw, results, nil
}

// leave stores a bundle where verifiers of the subject look for it.
func (s *session) leave(ctx context.Context, one subject, raw []byte, predicateType string, r *verify.Result) error {
	if one.image == nil {
		out := s.left(one)
		written, err := s.write(out, raw)
		if err != nil {
			return unwritable(out, err)
		}
		out = written
		return s.tell(one.name, out, r)
	}
	manifest, err := s.hang(ctx, one, raw, predicateType)
	if err != nil {
		return err
	}
	return s.tell(one.name, manifest, r)
}

// hang attaches a bundle to an image, and returns its manifest as REGISTRY/REPO@DIGEST.
func (s *session) hang(ctx context.Context, one subject, raw []byte, predicateType string) (string, error) {
	manifest, err := s.registry.Client.Attach(ctx, *one.image, oci.Attachment{Bundle: raw, PredicateType: predicateType, Created: time.Now()})
	if err != nil {
		return "", keepAside(one, raw, err)
	}
	return one.image.Repository + "@" + manifest, s.leaveLegacy(ctx, one, raw, predicateType)
}

// maxStatement bounds an in-toto statement to be signed, in bytes.
const maxStatement = 16 << 20

// SignStatement signs the in-toto statement in a file, and verifies the bundle against the
// first of its subjects that can be.
func (r *Request) SignStatement(ctx context.Context, env cli.Environment, file string) error {
	if err := r.prepare(env); err != nil {
		return err
	}
	payload, err := find.ReadFile(file, maxStatement)
	if err != nil {
		return err
	}
	statement, err := intoto.Parse(payload)
	if err != nil {
		return fault.Unreadable(file, err)
	}
	artifact, err := find.SubjectOf(statement)
	if err != nil {
		return fault.Unreadable(file, err)
	}
	if err := r.checkTargets([]string{r.Bundle}, []string{file}); err != nil {
		return err
	}
	s, err := r.session(ctx)
	if err != nil {
		return err
	}
	signer, policy, err := s.signer(ctx)
	if err != nil {
		return err
	}
	b, err := signer.Envelope(ctx, dsse.PayloadTypeInToto, payload)
	if err != nil {
		return &fault.SubjectError{Subject: file, Err: err}
	}
	return s.finish(ctx, b, artifact, policy, file, r.Bundle)
}
