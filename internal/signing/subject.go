// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// A subject is one argument of a verb that signs.
type subject struct {
	name  string // as it was given, without its scheme
	image *oci.Image
	once  io.Reader // a reader that can be read only once, instead of the file: standard input, a pipe
}

// open opens the file.
func (s subject) open() (io.ReadCloser, error) {
	if s.once != nil {
		return io.NopCloser(s.once), nil
	}
	return os.Open(s.name)
}

// subjects returns what the arguments name. Before the user logs in, it resolves
// and prints images and checks that their registries accept bundles: once a
// signature is logged, it is too late.
func (r *Request) subjects(ctx context.Context, args []string) ([]subject, error) {
	var all []subject
	for _, arg := range args {
		finder := find.Finder{Registry: r.registry}
		text, isImage, err := finder.Subject(arg)
		if err != nil {
			return nil, err
		}
		if !isImage {
			if len(args) > 1 && find.IsBundle(text) { // of a pattern that the shell has filled in
				r.env.Say("%s: a bundle, not signed", text)
				continue
			}
			one, err := r.file(text)
			if err != nil {
				return nil, finder.HintImage(err)
			}
			all = append(all, one)
			continue
		}
		images, err := r.images(ctx, text)
		if err != nil {
			return nil, err
		}
		all = append(all, images...)
	}
	if len(all) == 0 {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Err: errors.New("there is nothing to sign in what was named")}
	}
	return all, nil
}

// file returns the subject of an argument that names a file, a pipe or standard input.
func (r *Request) file(text string) (subject, error) {
	if text == find.Stdin {
		return r.once(text, r.env.Stdin)
	}
	info, err := os.Stat(text)
	switch {
	case err != nil:
		return subject{}, fault.Unreadable(text, err)
	case info.IsDir():
		return subject{}, fault.Unreadable(text, errors.New("is a directory")).With("sign-directory")
	case info.Mode().IsRegular():
		return subject{name: text}, nil
	case info.Mode()&(fs.ModeNamedPipe|fs.ModeCharDevice) == 0 || info.Mode()&fs.ModeSocket != 0:
		return subject{}, fault.Unreadable(text, errors.New("not a regular file"))
	}
	pipe, err := os.Open(text)
	if err != nil {
		return subject{}, fault.Unreadable(text, err)
	}
	return r.once(text, pipe)
}

// CheckFile reports what keeps a file from being signed; nil if nothing does.
func (r *Request) CheckFile(name string) error {
	_, err := r.file(name)
	return err
}

// once returns a subject that is read once and has no file to put the bundle beside.
func (r *Request) once(name string, content io.Reader) (subject, error) {
	if r.Bundle == "" {
		return subject{}, &fault.Problem{Exit: fault.ExitUsage, Subject: name, Code: "usage", Err: errors.New("what is read from a pipe needs --bundle"), Remedy: "pipe"}
	}
	return subject{name: name, once: content}, nil
}

// images returns the image that an argument names, and its platforms if requested.
func (r *Request) images(ctx context.Context, text string) ([]subject, error) {
	if r.Bundle != "" && !r.manifest {
		return nil, &fault.Problem{
			Exit: fault.ExitUsage, Subject: text, Code: "usage", Err: errors.New("--bundle goes with a file; the bundle of an image goes to its registry"),
		}
	}
	images, err := r.registry.Images(ctx, text, r.Registry.Recursive)
	if err != nil {
		return nil, err
	}
	if err := r.registry.Client.CheckAttach(ctx, images[0]); err != nil {
		return nil, lookup.RegistryError(text, err)
	}
	if digest := images[0].Digest; !strings.HasSuffix(text, digest) {
		r.env.Say("%s is %s", text, digest)
	}
	var all []subject
	for _, one := range images {
		all = append(all, subject{name: one.String(), image: &one})
	}
	all[0].name = text
	return all, r.checkLegacy(ctx, all)
}

// A statement is an in-toto statement to be signed. Its payload may be a
// hundred megabytes: there is one copy of it.
type statement struct {
	kind     string // predicate type
	subjects []intoto.Subject
	payload  []byte
}

func newStatement(kind string, predicate []byte, subjects []intoto.Subject) (statement, error) {
	payload, err := intoto.Statement{Type: intoto.TypeV1, Subject: subjects, PredicateType: kind, Predicate: predicate}.Marshal()
	return statement{kind, subjects, payload}, err
}

// signed returns the statement that subjects are signed, as cosign 3 makes it for
// images.
func signed(subjects ...intoto.Subject) (statement, error) {
	return newStatement(intoto.TypeSigned, []byte("{}"), subjects)
}

func imageSubject(image oci.Image) intoto.Subject {
	return intoto.Subject{Digest: map[string]string{"sha256": hex.EncodeToString(image.Sum())}}
}

// check verifies our own bundle, as any verifier would.
func (s *session) check(b *bundle.Bundle, artifact verify.Artifact, policy verify.Requirements) ([]byte, *verify.Result, error) {
	raw, err := b.Marshal()
	if err != nil {
		return nil, nil, err
	}
	parsed, err := bundle.Parse(raw)
	if err != nil {
		return nil, nil, err
	}
	result, err := s.verifier.Verify(parsed, artifact, policy)
	if err != nil {
		return nil, nil, fmt.Errorf("verifying the new bundle, which was not written: %w", err)
	}
	if s.key == nil && !s.token.is(result.Identity) {
		return nil, nil, fmt.Errorf("the certificate is for %s, the token for %s via %s: the bundle was not written", judge.Who(result), s.token.Challenge, s.token.Issuer)
	}
	return raw, result, nil
}
