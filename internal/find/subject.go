// SPDX-License-Identifier: Apache-2.0

package find

import (
	"bytes"
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"sync"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/verify"
)

// A Subject is an artifact: a file, standard input, a digest or an image.
type Subject interface {
	// Name returns the name that was given, or found.
	Name() string

	// Opener returns the opener for so many bundles. What can be read only once is
	// hashed for all of them.
	Opener(ctx context.Context, stdin io.Reader, bundles int) Opener

	// sums reads the subject to its end.
	sums(ctx context.Context, stdin io.Reader, hashes ...crypto.Hash) (digests, error)
}

// An Opener opens the artifact that a bundle is to be of, once for each.
type Opener func(Source) (verify.Artifact, io.Closer, error)

// always returns an opener that has nothing to open.
func always(a verify.Artifact, err error) Opener {
	return func(Source) (verify.Artifact, io.Closer, error) { return a, io.NopCloser(nil), err }
}

// A file is a file by its path.
type file struct {
	path  string
	found bool // below a directory, by a pattern or in a list: not named itself
}

func (f file) Name() string { return f.path }

func (f file) at() string { return f.path }

func (f file) Opener(ctx context.Context, _ io.Reader, bundles int) Opener {
	if bundles > 1 {
		read := sync.OnceValues(func() (verify.Artifact, error) {
			opened, err := f.open()
			if err != nil {
				return verify.Artifact{}, err
			}
			defer opened.Close()
			return verify.ReadArtifact(UntilDone{ctx, opened})
		})
		return func(p Source) (verify.Artifact, io.Closer, error) { return always(read())(p) }
	}
	return func(Source) (verify.Artifact, io.Closer, error) {
		opened, err := f.open()
		if err != nil {
			return verify.Artifact{}, nil, err
		}
		return verify.FromReader(UntilDone{ctx, opened}), opened, nil
	}
}

func (f file) sums(ctx context.Context, _ io.Reader, hashes ...crypto.Hash) (digests, error) {
	opened, err := f.open()
	if err != nil {
		return nil, fault.Unreadable(f.path, err)
	}
	defer opened.Close()
	return sumsOf(ctx, f.path, opened, hashes)
}

// open opens what can be read to an end.
func (f file) open() (*os.File, error) {
	if f.found {
		if err := checkRegular(f.path); err != nil {
			return nil, err
		}
	}
	opened, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	info, err := opened.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("is a directory")
	}
	if err != nil {
		opened.Close()
		return nil, err
	}
	return opened, nil
}

// checkRegular refuses pipes and devices that were found and not named: reading one
// could block for ever.
func checkRegular(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = errors.New("is a pipe or a device, not a file")
	}
	return err
}

// A listed file is one that was named by naming a list of checksums.
type listed struct {
	file
	claim Claim
}

// A content is a file that has been read.
type content struct {
	file
	raw []byte
}

func (c content) Opener(context.Context, io.Reader, int) Opener {
	return func(Source) (verify.Artifact, io.Closer, error) {
		return verify.FromReader(bytes.NewReader(c.raw)), io.NopCloser(nil), nil
	}
}

func (c content) sums(ctx context.Context, _ io.Reader, hashes ...crypto.Hash) (digests, error) {
	return sumsOf(ctx, c.path, bytes.NewReader(c.raw), hashes)
}

// An Input is standard input, under the name that it has.
type Input string

// Name returns the name.
func (i Input) Name() string { return string(i) }

// Opener returns an opener that reads stdin.
func (i Input) Opener(ctx context.Context, stdin io.Reader, bundles int) Opener {
	if bundles > 1 {
		return always(verify.ReadArtifact(UntilDone{ctx, stdin}))
	}
	return always(verify.FromReader(UntilDone{ctx, stdin}), nil)
}

func (i Input) sums(ctx context.Context, stdin io.Reader, hashes ...crypto.Hash) (digests, error) {
	return sumsOf(ctx, i.Name(), stdin, hashes)
}

// A Digest is the SHA-256 of an artifact, in its place.
type Digest struct {
	Artifact string // its name
	Sum      []byte
}

// Name returns the name of the artifact.
func (d Digest) Name() string { return d.Artifact }

// Opener returns an opener that gives each bundle the digest, or the payload that it signs in
// place of an image.
func (d Digest) Opener(context.Context, io.Reader, int) Opener {
	return func(p Source) (verify.Artifact, io.Closer, error) { return always(Image(d.Sum, p.Payload))(p) }
}

func (d Digest) sums(context.Context, io.Reader, ...crypto.Hash) (digests, error) {
	if d.Sum == nil {
		return nil, fault.Unreadable(d.Artifact, errors.New("not a file"))
	}
	return digests{crypto.SHA256: d.Sum}, nil
}

// An image is an image in a registry, whose digest is not known yet.
type image struct {
	Digest
	registry Registry
}

// A claimed is what bundles name themselves.
type claimed struct{ Digest }

func (c claimed) Opener(context.Context, io.Reader, int) Opener {
	return func(p Source) (verify.Artifact, io.Closer, error) {
		artifact, err := Claimed(p.Bundle)
		if err != nil {
			err = &verify.Error{Step: verify.StepStatement, Code: verify.StatementInvalid, Err: err}
		}
		return always(artifact, err)(p)
	}
}

// Sum reads a subject, and returns the digest that stands for it.
func Sum(ctx context.Context, s Subject, stdin io.Reader) (Digest, error) {
	sums, err := s.sums(ctx, stdin)
	return Digest{s.Name(), sums[crypto.SHA256]}, err
}

// A digests value holds the digests of one content, by algorithm.
type digests map[crypto.Hash][]byte

// sumsOf reads r to its end, for its SHA-256 and others. Hashes may be repeated; zero ones
// are skipped.
func sumsOf(ctx context.Context, name string, r io.Reader, hashes []crypto.Hash) (digests, error) {
	states := map[crypto.Hash]hash.Hash{}
	var all []io.Writer
	for _, h := range append(hashes, crypto.SHA256) {
		if h != 0 && states[h] == nil {
			states[h] = h.New()
			all = append(all, states[h])
		}
	}
	if _, err := io.Copy(io.MultiWriter(all...), UntilDone{ctx, r}); err != nil {
		return nil, Unread(name, err)
	}
	sums := digests{}
	for h, state := range states {
		sums[h] = state.Sum(nil)
	}
	return sums, nil
}

// DigestText returns a digest with its algorithm, such as sha256:9f86….
func DigestText(hash crypto.Hash, digest []byte) string {
	names := map[crypto.Hash]string{crypto.SHA256: "sha256", crypto.SHA384: "sha384", crypto.SHA512: "sha512"}
	return names[hash] + ":" + hex.EncodeToString(digest)
}

// Mismatch returns the problem for a file that is not the one that was signed.
func Mismatch(name, expected, found string) error {
	return fault.About(name, &verify.Error{Code: verify.ArtifactMismatch, Expected: expected, Found: found})
}

// Unread returns the problem for an artifact that could not be read to its end.
func Unread(name string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fault.Interrupted(name)
	}
	return fault.Unreadable(name, err)
}
